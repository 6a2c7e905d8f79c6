"""How an identity is changed: genuine before, and afterwards attested under a revision that alone counts.

An earlier row that is put back is genuine, but of another revision than its mark says. The marks are attested together:
one that was put back with its row is found as well. Locks are taken in one order: the identity's row, then the marks.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from holdfast.domain.assertions import ClientCredential, CredentialKind
from holdfast.errors import IntegrityFailure, KeyUnavailable
from holdfast.ports import Credential, Marks, Sealer, Standing
from holdfast.resilience.events import Event, Log
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load

_KIND: Final = 2
"""Where a credential's kind stands among its terms."""

_KINDS: Final = frozenset(CredentialKind) - {CredentialKind.UNKNOWN}
_log: Final = Log(__name__)


@asynccontextmanager
async def changing(connection: Connection, sealer: Sealer, name: str) -> AsyncIterator[Standing | None]:
    """Let an identity be changed in a transaction: locked, genuine before, attested and announced after.

    None: there is no such identity.

    Raises:
        IntegrityFailure: it was edited behind our back, or put back; it can only be removed.
    """
    sql = load("identities")
    if not await connection.fetch(sql["lock_identity"], name):
        yield None
        return
    standing = await standing_in(connection, name)
    standing.verify(sealer)
    yield standing
    await attest(connection, sealer, name)


async def attest(connection: Connection, sealer: Sealer, name: str, *, accept: bool = False) -> None:
    """Attest an identity as it stands in this transaction, under a new revision; its tokens that ended count no more.

    ``accept``: attest the marks of the others as they are, whatever became of them.
    """
    sql = load("identities")
    async with _marking(connection, sealer, accept=accept) as revision:
        await connection.execute(sql["stamp"], name, revision)
        standing = await standing_in(connection, name)
        await connection.execute(sql["attest_identity"], name, sealer.attest(standing.facts()))


async def forget(connection: Connection, sealer: Sealer, name: str) -> None:
    """Let no row of an identity count that is not made again."""
    async with _marking(connection, sealer):
        await connection.execute(load("identities")["forget_mark"], name)


async def credentials_of(connection: Connection, subject: str) -> list[Credential]:
    """What acts as an identity, or as a member of a group, as this transaction sees it."""
    return [Credential(**row) for row in await connection.fetch(load("identities")["credentials"], subject)]


async def standing_in(connection: Connection, name: str) -> Standing:
    """Return an identity that is there, as this transaction sees it."""
    return standing_of(await connection.fetchrow(load("identities")["standings"], name))


@asynccontextmanager
async def _marking(connection: Connection, sealer: Sealer, *, accept: bool = False) -> AsyncIterator[int]:
    """Let marks be changed, and attest them all if they were as Holdfast left them; yields the next revision."""
    sql = load("identities")
    await connection.execute(sql["lock_marks"])
    intact = accept or _are_intact(await _marks_in(connection), sealer)
    revision: int = await connection.fetchval(sql["next_revision"])
    yield revision
    if intact:
        await connection.execute(sql["attest_marks"], sealer.attest((await _marks_in(connection)).facts()))


def _are_intact(marks: Marks, sealer: Sealer) -> bool:
    try:
        marks.verify(sealer)
    except (IntegrityFailure, KeyUnavailable) as error:
        _log(Event.IDENTITY_MARKS_NOT_ATTESTED, reason=error)
        return False
    return True


async def _marks_in(connection: Connection) -> Marks:
    return marks_of(await connection.fetchrow(load("identities")["marks"]))


def marks_of(row: Mapping[str, Any]) -> Marks:
    """The marks that a row of the query ``marks`` describes."""
    return Marks(
        revision=row["revision"],
        names=tuple(row["names"]),
        revisions=tuple(row["revisions"]),
        attestation=row["attestation"],
    )


def standing_of(row: Mapping[str, Any]) -> Standing:
    """The standing that a row of the query ``standings`` describes.

    With a credential of a kind that this release does not know it is not genuine here; the others are as they were.
    """
    readable = all(terms[_KIND] in _KINDS for terms in row["credentials"])
    return Standing(
        name=row["name"],
        incarnation=row["incarnation"],
        disabled=row["disabled"],
        groups=frozenset(row["groups"]),
        credentials=tuple(map(_credential_of, row["credentials"])) if readable else (),
        client_hash=row["client_hash"],
        client_since=row["client_since"],
        totp=row["totp"],
        attestation=row["attestation"] if readable else "",
        revision=row["revision"],
        tokens=frozenset(row["token_ids"]),
        mark=row["mark"],
    )


def _credential_of(terms: Sequence[str]) -> ClientCredential:
    key, name, kind, issuer, subject, audience, certificate = terms
    return ClientCredential(
        id=UUID(key),
        name=name,
        kind=CredentialKind(kind),
        issuer=issuer,
        subject=subject,
        audience=audience,
        certificate=certificate,
    )
