"""The use cases on identities, wired."""

from collections.abc import Awaitable, Callable, Collection

from holdfast.crypto.assertion_certificates import certificate_facts
from holdfast.ports import Clock, Sealer
from holdfast.service.access.assertions import ClientCredentials
from holdfast.service.access.clients import Clients
from holdfast.service.access.directory import Directory
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard
from holdfast.service.access.identities import Identities
from holdfast.service.access.minting import Minting
from holdfast.service.access.secondfactor import SecondFactors
from holdfast.service.access.tokens import Tokens
from holdfast.stores.postgres.client_credentials import PostgresClientCredentials
from holdfast.stores.postgres.clients import PostgresClients
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.identities import PostgresIdentities
from holdfast.stores.postgres.tokens import PostgresTokens
from holdfast.stores.postgres.totp import PostgresTotp


def open_directory(database: Database, sealer: Sealer, clock: Clock) -> Directory:
    """Return what a node knows of identities, still empty."""
    return Directory(PostgresIdentities(database, sealer), sealer, clock)


class IdentityParts:
    """Identities, tokens and clients of a node.

    Args:
        announce: tells this node of a change of one subject's rules and of its epoch.
        issuers: the addresses of those that are trusted here.
    """

    def __init__(
        self,
        database: Database,
        *,
        sealer: Sealer,
        clock: Clock,
        guard: Guard,
        book: GrantBook,
        directory: Directory,
        announce: Callable[[int, str | None], Awaitable[None]],
        issuers: Collection[str],
    ) -> None:
        minting = Minting(guard, book, directory, clock)
        self.tokens = Tokens(
            guard=guard, minting=minting, directory=directory, store=PostgresTokens(database, sealer), clock=clock
        )
        self.identities = Identities(
            guard=guard,
            minting=minting,
            directory=directory,
            store=PostgresIdentities(database, sealer),
            sealer=sealer,
            tokens=self.tokens,
            totp=SecondFactors(
                guard=guard,
                minting=minting,
                directory=directory,
                store=PostgresTotp(database, sealer),
                sealer=sealer,
                clock=clock,
            ),
            announce=announce,
            clock=clock,
        )
        credentials = PostgresClientCredentials(database, sealer)
        self.credentials = ClientCredentials(
            guard=guard,
            minting=minting,
            directory=directory,
            store=credentials,
            read_certificate=certificate_facts,
            is_trusted=issuers.__contains__,
            clock=clock,
        )
        self.clients = Clients(
            guard=guard,
            minting=minting,
            directory=directory,
            store=PostgresClients(database, sealer),
            credentials=credentials,
        )
