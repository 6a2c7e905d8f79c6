"""``holdfast serve`` of a history, with two waits shortened that are no settings.

Changes that a node has in hand are left to it for a lease, a minute as a rule; here for as long as a change that is
being proposed, so that a seed heals within seconds. What a lease must still have before anything is sent is as ever.
Emergency access may be for seconds, where a minute is the least that a policy allows as a rule.
"""

from typing import Any, cast

from holdfast.cli.main import main
from holdfast.config import break_glass
from holdfast.service.secrets.proposing import PROPOSAL_LEASE
from holdfast.service.vault.replication import Replicator

if __name__ == "__main__":
    defaults = Replicator.__init__.__kwdefaults__
    assert defaults is not None
    assert "lease" in defaults
    defaults["lease"] = PROPOSAL_LEASE
    policies = cast("dict[str, Any]", break_glass._CHECKS)
    policies["max_duration_s"] = (lambda value: isinstance(value, int) and value > 0, "a number of seconds")
    main()
