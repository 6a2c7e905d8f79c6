"""What a refusal says. It begins as Key Vault's own does, because scripts look for those words; our advice follows.

The words, and where each was seen, are in ``tests/vectors/keyvault/refusals.json``.
"""

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final, NamedTuple

from holdfast.errors import (
    AccessDenied,
    HoldfastError,
    InvalidInput,
    PurgeProtected,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    TransitionPending,
    VaultRefusal,
    VersionNotFound,
)
from holdfast.keyvault_wire.routes import Operation, Route, route

INVALID_NAME: Final = "The request URI contains an invalid name:"


class _Wording(NamedTuple):
    """``opening``: Key Vault's first words. ``advice``: ours; None where the error's own text is the better one."""

    opening: str
    advice: str | None = None


_NOTHING: Final = _Wording("")
_NOT_FOUND: Final = "A secret with (name/id) {id} was not found in this key vault."
_DISABLED: Final = _Wording("Operation {operation} is not allowed on a disabled secret.", "Enable it first.")
_PROTECTED: Final = _Wording('Operation "purge" is not allowed because purge protection is enabled for this vault.')

_WORDINGS: Final[Mapping[tuple[type[HoldfastError], Operation | None], _Wording]] = MappingProxyType(
    {
        (SecretNotFound, None): _Wording(_NOT_FOUND, "If it was deleted, it can be recovered."),
        (SecretNotFound, Operation.GET_DELETED): _Wording(
            "Deleted Secret not found: {name}.", "It was never deleted, or it is purged."
        ),
        (SecretNotFound, Operation.RECOVER): _Wording(_NOT_FOUND, "It is not among the deleted secrets."),
        (SecretNotFound, Operation.PURGE): _Wording(_NOT_FOUND, "It is not among the deleted secrets."),
        (VersionNotFound, None): _Wording(_NOT_FOUND),
        (SecretDeleted, None): _Wording(
            "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; "
            "in this state, the secret can only be recovered or purged.",
            "",
        ),
        (SecretDeleted, Operation.RESTORE): _Wording("There was a conflict restoring the secret."),
        (TransitionPending, None): _Wording("Secret is currently being deleted."),
        (TransitionPending, Operation.SET): _Wording(
            "Secret {name} is currently being deleted and cannot be re-created; retry later."
        ),
        (SecretDisabled, None): _DISABLED,
        (AccessDenied, None): _Wording("Caller is not authorized to perform action on resource."),
        (PurgeProtected, None): _PROTECTED,
    }
)
"""By error, and by the operation where Key Vault's words depend on it."""

_VAULT_WORDINGS: Final[Mapping[tuple[str, Operation | None], _Wording]] = MappingProxyType(
    {
        ("SecretManagedByKeyVault", None): _Wording(
            'Operation "{operation}" is not allowed on this secret, since it is associated with a certificate.'
        ),
        ("Forbidden", Operation.PURGE): _PROTECTED,  # Key Vault gives a missing right an inner code
    }
)
"""By the code of a refusal that comes from the Key Vault behind us, and by the operation where that matters."""


def refusal_text(error: Exception, method: str, raw_path: bytes) -> str:
    """Return what the caller of ``method`` on a percent-encoded path is told, with the name as they wrote it."""
    asked = _asked(method, raw_path)
    if asked is None:
        return f"{INVALID_NAME} {error}" if isinstance(error, InvalidInput) and error.field == "name" else str(error)
    wording = _wording(error, asked.operation)
    advice = str(error) if wording.advice is None else wording.advice
    return f"{_filled(wording.opening, asked)} {_as_written(advice, asked.name)}".strip()


def _asked(method: str, raw_path: bytes) -> Route | None:
    with suppress(HoldfastError):  # it is this very error that is told
        return route(method, raw_path)
    return None


def _wording(error: Exception, operation: Operation) -> _Wording:
    if isinstance(error, VaultRefusal):
        found = (_VAULT_WORDINGS.get((error.vault_code, about)) for about in (operation, None))
    else:
        found = (_WORDINGS.get((kind, about)) for kind in type(error).__mro__ for about in (operation, None))
    return next((each for each in found if each is not None), _NOTHING)


def _filled(opening: str, asked: Route) -> str:
    secret_id = asked.name if asked.version is None else f"{asked.name}/{asked.version}"
    return opening.format(name=asked.name, id=secret_id, operation=asked.operation)


def _as_written(text: str, name: str) -> str:
    """The text with the name in the caller's casing instead of the canonical one."""
    return text.replace(repr(name.lower()), repr(name)) if name else text
