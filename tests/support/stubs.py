"""Stand-ins for the server's tests that are about the server itself."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from holdfast.auth.bearers import ProvenToken
from holdfast.crypto.credentials import hash_client_secret, registration_of
from holdfast.domain.assertions import ClientCredential
from holdfast.domain.policy import Caller
from holdfast.errors import BackendUnavailable, Unauthenticated
from holdfast.ports import AssertionUse, ChooseCredential, Registration


class Failing:
    """A service whose every method raises the same error, or never answers."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: object, **__: object) -> object:
            if self.error is None:
                await asyncio.Event().wait()
            assert self.error is not None
            raise self.error

        return fail


class NoIdentities:
    """Knows nobody. ``refused``: how many refusals were put on record."""

    def __init__(self) -> None:
        self.refused = 0

    def prove_token(self, token: str, *, ip_address: str | None = None) -> ProvenToken:
        raise Unauthenticated("The access token is not good here.")

    def is_disabled(self, identity: str) -> bool:
        return False

    async def record_refusal(self, caller: Caller, error: Unauthenticated) -> None:
        self.refused += 1


class OneClient:
    """Knows one client, ``app``, with one secret."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.active = True
        self.registered_at = datetime(2025, 1, 1, tzinfo=UTC)
        self.credentials: tuple[ClientCredential, ...] = ()
        self.disabled: set[str] = set()
        self.away = False
        self.shown: dict[bytes, AssertionUse] = {}

    async def authenticate_client(self, client_id: str, client_secret: str, *, ip_address: str | None) -> Caller:
        if (client_id, client_secret) != ("app", self.secret):
            raise Unauthenticated("Client id or client secret is wrong.")
        return Caller(client_id)

    def client_registration(self, client_id: str) -> Registration | None:
        if not self.active or client_id != "app":
            return None
        return Registration(registration_of(hash_client_secret(self.secret)), self.registered_at)

    def credentials_of(self, client_id: str) -> Sequence[ClientCredential]:
        return self.credentials if client_id == "app" and self.active else ()

    async def authenticate_asserted(
        self, client_id: str, choose: ChooseCredential, *, ip_address: str | None
    ) -> ClientCredential:
        return await choose(self.credentials_of(client_id))

    async def use_assertion(self, use: AssertionUse) -> bool:
        if self.away:
            raise BackendUnavailable("PostgreSQL does not answer.")
        return self.shown.setdefault(use.id_hash, use) == use

    def is_disabled(self, identity: str) -> bool:
        return identity in self.disabled
