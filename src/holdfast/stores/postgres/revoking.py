"""Revocations that a restored backup does not know of, made again in the transaction that restores it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from msgspec import structs

from holdfast.domain.revocations import Revocation, Taken
from holdfast.errors import IntegrityFailure
from holdfast.ports import RuleKind, Sealer
from holdfast.resilience.events import Event, Log
from holdfast.stores.postgres.grants import put_rule, remove_rule, rules_for
from holdfast.stores.postgres.identities import remove_identity
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.standing import changing
from holdfast.stores.postgres.tokens import revoke_token

_log: Final = Log(__name__)

_Take: TypeAlias = Callable[[Connection, Sealer, Revocation], Awaitable[Revocation | None]]


async def revoke_again(
    connection: Connection, sealer: Sealer, revocations: Iterable[Revocation]
) -> tuple[Revocation, ...]:
    """Revoke what still counts; returns that.

    An identity that is not genuine is left alone, as none of its credentials counts.
    """
    taken = []
    for revocation in revocations:
        try:
            found = await _TAKE[revocation.taken](connection, sealer, revocation)
        except IntegrityFailure as error:
            _log(Event.NOT_REVOKED_AGAIN, what=revocation, reason=error)
            continue
        if found is not None:
            taken.append(found)
    return tuple(taken)


async def _identity(connection: Connection, sealer: Sealer, what: Revocation) -> Revocation | None:
    """Remove an identity, or the rules for one that issuers vouch for, of which there is no row."""
    if await connection.fetchval(load("revoking")["identity"], what.subject, what.at):
        await remove_identity(connection, sealer, what.subject)
        return what
    outlived = [rule for rule in await rules_for(connection, what.subject) if rule.granted_at <= what.at]
    for rule in outlived:
        await remove_rule(connection, rule)
    return what if outlived else None


async def _reset(connection: Connection, sealer: Sealer, what: Revocation) -> Revocation | None:
    taken = False
    for row in await connection.fetch(load("revoking")["tokens"], what.subject, what.at):
        taken |= await revoke_token(connection, sealer, row["id"])
    for each in (_client, _factor, _groups):
        taken |= await each(connection, sealer, what) is not None
    return what if taken else None


async def _token(connection: Connection, sealer: Sealer, what: Revocation) -> Revocation | None:
    return what if await revoke_token(connection, sealer, UUID(what.item)) else None


def _by(statement: str, *arguments: Callable[[Revocation], object]) -> _Take:
    """What takes something from an identity by one statement, which returns rows if there was anything to take."""

    async def take(connection: Connection, sealer: Sealer, what: Revocation) -> Revocation | None:
        more = [argument(what) for argument in arguments]
        async with changing(connection, sealer, what.subject):
            found = await connection.fetch(load("revoking")[statement], what.subject, what.at, *more)
        return what if found else None

    return take


_client: Final = _by("remove_client")
_factor: Final = _by("remove_factor")
_groups: Final = _by("leave_groups", lambda what: list(what.left))


async def _rule(connection: Connection, sealer: Sealer, what: Revocation) -> Revocation | None:
    """Take a rule away, or what of it is more than what was left."""
    kind = RuleKind.ROLE if what.taken is Taken.ROLE else RuleKind.GRANT
    for rule in await rules_for(connection, what.subject):
        if rule.kind is not kind or rule.pattern != what.pattern or what.item not in ("", *rule.terms):
            continue
        left = tuple(term for term in rule.terms if term in what.left)
        if not left:
            await remove_rule(connection, rule)
            return what
        narrowed = replace(rule, terms=left, expires_at=_sooner(rule.expires_at, what.until), attestation="")
        if (narrowed.terms, narrowed.expires_at) != (rule.terms, rule.expires_at):
            narrowed = replace(narrowed, attestation=sealer.attest(narrowed.facts()))
            await put_rule(connection, narrowed)
            return structs.replace(what, detail=narrowed.summary)
    return None


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)


_TAKE: Final[Mapping[Taken, _Take]] = {
    Taken.IDENTITY: _identity,
    Taken.RESET: _reset,
    Taken.ENABLED: _by("disable"),
    Taken.TOKEN: _token,
    Taken.CLIENT: _client,
    Taken.CREDENTIAL: _by("remove_credential", lambda what: what.item),
    Taken.FACTOR: _factor,
    Taken.GROUPS: _groups,
    Taken.GRANT: _rule,
    Taken.ROLE: _rule,
}
