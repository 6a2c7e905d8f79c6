"""The life of a secret, and what may be disclosed in which state.

A name is absent, active or deleted. Deleting keeps everything for the retention time, in which the name stays taken;
recovering brings all versions back; purging ends the incarnation, and a later set begins a new one. The table says
what each event does; whatever is not in it is refused with the error that Key Vault would give. One predicate decides
for every tier whether a version may be disclosed, so that no tier is more generous than another.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from holdfast.domain.secret import Attributes, State
from holdfast.errors import HoldfastError, SecretDeleted, SecretDisabled, SecretNotFound, SecretOutsideValidity


class Event(enum.StrEnum):
    """What can happen to a secret."""

    SET = "set"
    UPDATE = "update"
    DELETE = "delete"
    RECOVER = "recover"
    PURGE = "purge"


TRANSITIONS: Final[Mapping[tuple[State | None, Event], State | None]] = {
    (None, Event.SET): State.ACTIVE,
    (State.ACTIVE, Event.SET): State.ACTIVE,
    (State.ACTIVE, Event.UPDATE): State.ACTIVE,
    (State.ACTIVE, Event.DELETE): State.DELETED,
    (State.DELETED, Event.RECOVER): State.ACTIVE,
    (State.DELETED, Event.PURGE): None,
}
"""(state, event) to the state afterwards; None is "not there"."""


def advance(state: State | None, event: Event, name: str) -> State | None:
    """Return the state of ``name`` after ``event``.

    Raises:
        SecretDeleted: the name belongs to a deleted secret.
        SecretNotFound: there is nothing this event could happen to.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise _refusal(state, event, name) from None


def _refusal(state: State | None, event: Event, name: str) -> HoldfastError:
    if state is State.DELETED and event is Event.SET:
        return SecretDeleted(f"Secret {name!r} is deleted but recoverable: recover or purge it before using the name.")
    if event in (Event.RECOVER, Event.PURGE):
        return SecretNotFound(f"Secret not found among the deleted: {name!r}. There is nothing to {event}.")
    return not_found(name)


def not_found(name: str) -> SecretNotFound:
    """The one refusal for a secret that is not there, deleted ones included."""
    return SecretNotFound(f"Secret not found: {name!r}.")


@dataclass(frozen=True, slots=True)
class Validity:
    """Where a moment lies in a version's validity window."""

    expired: bool
    not_yet_valid: bool

    @classmethod
    def of(cls, attributes: Attributes, now: datetime) -> "Validity":
        """Judge by ``not_before`` (inclusive) and ``expires_at`` (exclusive)."""
        return cls(
            expired=attributes.expires_at is not None and attributes.expires_at <= now,
            not_yet_valid=attributes.not_before is not None and now < attributes.not_before,
        )


_ALWAYS: Final = Validity(expired=False, not_yet_valid=False)


def check_disclosable(name: str, attributes: Attributes, now: datetime, *, refuse_outside_validity: bool) -> Validity:
    """Decide whether a version may be disclosed, the same way for every tier.

    Key Vault itself serves expired and not-yet-valid secrets; so do we, marked, unless told to refuse them.

    Raises:
        SecretDisabled: the version is disabled.
        SecretOutsideValidity: expired or not yet valid, and such reads are refused.
    """
    if not attributes.enabled:
        raise SecretDisabled(f"Operation get is not allowed on a disabled secret: {name!r}. Enable it to read it.")
    if attributes.expires_at is None and attributes.not_before is None:
        return _ALWAYS
    validity = Validity.of(attributes, now)
    if refuse_outside_validity and (validity.expired or validity.not_yet_valid):
        when = f"expired at {attributes.expires_at}" if validity.expired else f"valid from {attributes.not_before}"
        raise SecretOutsideValidity(f"Secret {name!r} is refused outside its validity: {when}. Set a new version.")
    return validity
