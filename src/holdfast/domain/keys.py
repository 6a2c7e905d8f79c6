"""The life of an encryption key: present → active → draining → retired."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from holdfast.domain.moments import Moment

SEAL_LIMIT: Final = 2**32
"""Encryptions under one key with random nonces (NIST SP 800-38D, 8.3)."""

NAMED: Final = 100
"""Damaged rows that a report names."""

SEAL_ALARM: Final = 2**31
"""From here on a new key is asked for, although no key is used for AES-GCM as often as it is counted: each value has a
data key of its own, and each process a key per 2^20 blobs."""


SIGNED_FOR: Final = timedelta(hours=1, seconds=30)
"""How long an access token signed under a key is good: the lifetime of tokens, and the leeway of clocks."""


class KeyState(enum.StrEnum):
    """Where a key stands. The active one seals, on all nodes; a draining one still opens what it sealed."""

    PRESENT = "present"
    """Nodes hold it, and nothing is sealed under it yet."""

    ACTIVE = "active"
    DRAINING = "draining"
    RETIRED = "retired"
    """Nothing is sealed under it any more, nor can be: no node needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """One key of the ring, by its id, which is derived from it and gives nothing away.

    ``sealed``: how often it sealed, without the last seconds of nodes that were killed. ``missing_on``: nodes that run
    and do not hold it. ``sealing_on``: nodes that said lately that they seal under it. ``rows``: what is still sealed
    under it, by the table and column it is in.
    """

    key_id: str
    state: KeyState
    created_at: Moment | None = None
    activated_at: Moment | None = None
    retired_at: Moment | None = None
    sealed: int = 0
    missing_on: Sequence[str] = ()
    sealing_on: Sequence[str] = ()
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def remaining(self) -> int:
        """How many rows are sealed under it."""
        return sum(self.rows.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """All keys, the active one first, and what to do about them. ``nodes``: how many run."""

    keys: Sequence[KeyStatus]
    nodes: int
    recommendations: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrapReport:
    """Some rows put under the active key. ``renewed``: how many now; ``remaining``: how many are not yet.

    ``damaged``: rows looked at that are not genuine, as ``table.column row``, 100 at most: they are left as they are.
    ``complete``: the last row there is was looked at; the next call begins with the first one again.
    """

    renewed: int
    remaining: int
    damaged: Sequence[str]
    complete: bool
