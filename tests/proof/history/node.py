"""``holdfast serve`` of a history, with one wait shortened that is no setting.

Changes that a node has in hand are left to it for a lease, a minute as a rule; here for as long as a change that is
being proposed, so that a seed heals within seconds. What a lease must still have before anything is sent is as ever.
"""

from holdfast.cli.main import main
from holdfast.service.secrets.proposing import PROPOSAL_LEASE
from holdfast.service.vault.replication import Replicator

if __name__ == "__main__":
    defaults = Replicator.__init__.__kwdefaults__
    assert defaults is not None
    assert "lease" in defaults
    defaults["lease"] = PROPOSAL_LEASE
    main()
