"""Intents: changes accepted here that Key Vault must still learn of, once in effect and in order."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes

MARKER_TAG: Final = "holdfast"
"""The one tag Holdfast adds to what it writes to Key Vault, where there is room for it."""

MAX_TAGS: Final = 15
"""Tags per version that Key Vault takes. A version with that many of the caller's goes without our marker."""

_MARKER: Final = re.compile(r"([1-9][0-9]{0,18})\.([0-9a-f]{32})", re.ASCII)


class IntentKind(enum.StrEnum):
    """What Key Vault is to do."""

    SET = "set"
    UPDATE = "update"
    DELETE = "delete"
    RECOVER = "recover"
    PURGE = "purge"


class IntentState(enum.StrEnum):
    """Open intents are replayed; parked ones are refused and tried again each hour; the others are history.

    A refused one was never accepted: Key Vault refused the change before it counted here.
    """

    OPEN = "open"
    DONE = "done"
    PARKED = "parked"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


GOES_PAST: Final[Mapping[IntentKind, frozenset[IntentKind]]] = {
    IntentKind.SET: frozenset({IntentKind.UPDATE}),
    IntentKind.UPDATE: frozenset({IntentKind.UPDATE}),
    IntentKind.DELETE: frozenset({IntentKind.SET, IntentKind.UPDATE}),
    IntentKind.RECOVER: frozenset({IntentKind.SET, IntentKind.UPDATE}),
}
"""Which refused changes of its secret a later one does not wait for. They are tried again all the same."""

OVERTAKES: Final[Mapping[IntentKind, frozenset[IntentKind]]] = {
    IntentKind.SET: frozenset({IntentKind.SET}),
    IntentKind.UPDATE: frozenset({IntentKind.UPDATE}),
    IntentKind.DELETE: frozenset({IntentKind.RECOVER}),
    IntentKind.RECOVER: frozenset({IntentKind.DELETE}),
}
"""Which refused changes of its secret a later one makes void; an update only those of the same version."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Names the generation and the intent that wrote a version into Key Vault."""

    version: int
    intent_id: UUID

    def __str__(self) -> str:
        return f"{self.version}.{self.intent_id.hex}"

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> "Marker | None":
        """Return the marker among a version's tags, or None: then somebody else wrote it."""
        found = _MARKER.fullmatch(tags.get(MARKER_TAG, ""))
        return cls(int(found[1]), UUID(hex=found[2])) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One change on its way to Key Vault.

    ``sequence`` orders the intents of a secret. ``version`` is the version to set or update.
    ``attributes`` are those to write for set and update. ``fence`` is the lease's number while one is held.
    ``attempts`` counts pushes begun, so that above 0 the outcome of an earlier one may be unknown. ``failures`` counts
    those that failed for a reason of this change alone. ``next_attempt_at``: not before. ``limbo_since``: since when
    Key Vault has been settling, or None.
    ``restored``: it was open in a backup, so it may have been in effect since, and undone without us knowing.
    """

    id: UUID
    sequence: int
    incarnation: UUID
    name: SecretName
    display_name: str
    kind: IntentKind
    version: int | None = None
    attributes: Attributes | None = None
    state: IntentState = IntentState.OPEN
    attempts: int = 0
    fence: int | None = None
    last_error: str | None = None
    created_at: datetime | None = None
    restored: bool = False
    failures: int = 0
    next_attempt_at: datetime | None = None
    limbo_since: datetime | None = None

    @property
    def marker(self) -> Marker | None:
        """The marker to write with a set or an update; None where the caller's tags leave no room for it."""
        full = self.attributes is not None and len(self.attributes.tags) >= MAX_TAGS
        return Marker(self.version, self.id) if self.version is not None and not full else None


def unmarked(attributes: Attributes) -> Attributes:
    """Return attributes without our marker: what users see, and what can be compared."""
    return replace(attributes, tags={key: text for key, text in attributes.tags.items() if key != MARKER_TAG})
