"""What an answer of Key Vault says, in one table without I/O: about one secret, or about the vault as a whole.

A verdict that is not certain is a suspicion: "it is refused" may mean our identity, "it cannot be read" the vault, and
what a gateway says of the whole vault may be a rule for one path. A question that is known to work settles that
(``service/vault/confirmation.py``).

Codes are from Key Vault's REST reference (error codes, common error codes), from recordings of the service in the
official SDKs and from public issues. Which code a regional failover gives to changes is documented nowhere, so any
code that speaks of read-only is taken for it, and everything else is settled by a question of the same kind.
"""

import enum
from dataclasses import dataclass
from typing import Final


class Kind(enum.Enum):
    """What was asked for. A read or listing changes nothing; a purge has refusals of its own."""

    READ = "read"
    WRITE = "write"
    PURGE = "purge"


class Verdict(enum.Enum):
    """What an answer says. The last three are about the vault, the others about one secret."""

    ABSENT = "there is no such secret or version"
    DISABLED = "it is disabled"
    DELETED = "its name belongs to a deleted secret"
    SETTLING = "a deletion, recovery or purge of it is still settling"
    REFUSED = "it is refused"
    UNREADABLE = "it cannot be read or changed"
    AWAY = "the vault is away"
    THROTTLED = "the vault throttles"
    UNKNOWN_TO_IT = "our identity is refused everywhere"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and whether it holds without a second question."""

    verdict: Verdict
    certain: bool = True


_SUSPECT: Final = Judgement(Verdict.UNREADABLE, certain=False)
_BY_STATUS: Final = {
    429: Judgement(Verdict.THROTTLED, certain=False),
    401: Judgement(Verdict.UNKNOWN_TO_IT, certain=False),
    408: _SUSPECT,
}
_OF_ONE: Final = frozenset({"SecretManagedByKeyVault", "SecretManagedByCertificate", "PurgeProtectionEnabled"})
"""Inner codes of a 403 that are about one object and no right of ours could fix."""

_OF_ALL: Final = frozenset({"ForbiddenByFirewall", "ForbiddenByConnection", "VaultNotFound", "VaultDisabled"})
"""Codes that speak of the whole vault."""

_BEING: Final = "ObjectIsBeing"
"""How the inner codes of all transitions begin: ...Deleted, ...Recovered, ...Purged."""

_READ_ONLY: Final = "ReadOnly"


def no_connection() -> Judgement:
    """Judge that nothing connects: DNS, TCP, TLS, a proxy, no token. Nothing was sent."""
    return Judgement(Verdict.AWAY)


def no_answer() -> Judgement:
    """Judge a connection that broke, silence, and a body that is not Key Vault's."""
    return _SUSPECT


def judge(kind: Kind, status: int, code: str, inner: str) -> Judgement:
    """Judge an answer that is no success by its status, ``error.code`` and ``error.innererror.code`` ("" for none)."""
    read_only = kind is not Kind.READ and _READ_ONLY in code + inner
    if read_only or _OF_ALL & {code, inner}:
        return Judgement(Verdict.AWAY, certain=read_only)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 403:
        return _of_forbidden(kind, code, inner)
    if status == 404:
        return Judgement(Verdict.ABSENT) if code == "SecretNotFound" else _SUSPECT
    if status == 409 and code:
        return _of_conflict(inner)
    refused = 400 <= status < 500 and code and kind is not Kind.READ
    return Judgement(Verdict.REFUSED) if refused else _SUSPECT


def _of_forbidden(kind: Kind, code: str, inner: str) -> Judgement:
    if inner == "SecretDisabled":
        return Judgement(Verdict.DISABLED)
    protected = kind is Kind.PURGE and code == "Forbidden" and not inner  # missing rights have an inner code
    return Judgement(Verdict.REFUSED, certain=inner in _OF_ONE or protected)


def _of_conflict(inner: str) -> Judgement:
    if inner == "ObjectIsDeletedButRecoverable":
        return Judgement(Verdict.DELETED)
    settling = inner.startswith(_BEING) or inner in {"", "Conflict"}
    return Judgement(Verdict.SETTLING if settling else Verdict.REFUSED)
