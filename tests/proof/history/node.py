"""``holdfast serve`` of a history, with some waits shortened that are no settings.

Changes that a node has in hand are left to it for a lease, a minute as a rule; here for as long as a change that is
being proposed, so that a seed heals within seconds. What a lease must still have before anything is sent is as ever.
A secret that is neither there nor deleted in the vault is taken for gone after seconds, as this vault settles at once.
A rotation that failed is tried again within ten seconds, where the pause doubles up to an hour as a rule. Emergency
access may be for seconds, where a minute is the least that a policy allows as a rule.
"""

from datetime import timedelta
from typing import Any, cast

from holdfast.cli.main import main
from holdfast.config import break_glass
from holdfast.service.rotation import driver
from holdfast.service.secrets.proposing import PROPOSAL_LEASE
from holdfast.service.vault.applying import Applier
from holdfast.service.vault.replication import Replicator


def _shorten(function: object, **waits: timedelta) -> None:
    defaults = getattr(function, "__kwdefaults__", {})
    assert waits.keys() <= defaults.keys()
    defaults.update(waits)


if __name__ == "__main__":
    _shorten(Replicator.__init__, lease=PROPOSAL_LEASE)
    _shorten(Applier.__init__, settling=timedelta(seconds=10))
    vars(driver).update(_FIRST_PAUSE=timedelta(seconds=1), _LONGEST_PAUSE=timedelta(seconds=10))
    policies = cast("dict[str, Any]", break_glass._CHECKS)
    policies["max_duration_s"] = (lambda value: isinstance(value, int) and value > 0, "a number of seconds")
    main()
