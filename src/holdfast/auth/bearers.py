"""From a bearer token of any kind to who it proves."""

from functools import lru_cache
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from holdfast.auth.clients import ClientTokens
from holdfast.auth.limiter import GuessLimits, source_of
from holdfast.auth.oidc import Issuers
from holdfast.crypto.api_tokens import API_TOKEN_PREFIXES
from holdfast.domain.policy import NOBODY, AuthMethod, Caller
from holdfast.errors import Throttled, Unauthenticated


class ProvenToken(Protocol):
    """Whose API token it is, and which one."""

    @property
    def identity(self) -> str:
        """The canonical identity."""

    @property
    def id(self) -> UUID:
        """The token's id."""


class Identities(Protocol):
    """The identities that this installation knows; all but ``record_refusal`` answers from memory."""

    def prove_token(self, token: str, *, ip_address: str | None = None) -> ProvenToken:
        """Return whose API token this is.

        Raises:
            Unauthenticated: it is not good here.
        """

    def is_disabled(self, identity: str) -> bool:
        """Whether an identity has been disabled."""

    async def record_refusal(self, caller: Caller, error: Unauthenticated) -> None:
        """Put a refusal on record."""


class Proof(NamedTuple):
    """An identity, and how it was proven.

    ``groups``: those that the proof itself vouches for. Those kept here are looked up at each decision: they end here.
    """

    identity: str
    method: AuthMethod
    groups: frozenset[str] = frozenset()
    credential: str | None = None


_NOBODY: Final = Caller(NOBODY)
_text: Final = lru_cache(maxsize=10_000)(str)


class Bearers:
    """Takes API tokens, tokens of trusted issuers and those of clients, each recognised by its shape."""

    def __init__(
        self, clients: ClientTokens, identities: Identities, limits: GuessLimits, issuers: Issuers | None = None
    ) -> None:
        self.clients = clients
        self._identities, self._issuers = identities, issuers
        self._limits = limits

    async def prove(self, token: str, host: str, asker: Caller = _NOBODY) -> Proof:
        """Return whom a token proves to the server at ``host``; ``asker`` is who is on record when it proves nobody.

        Raises:
            Unauthenticated: nobody. That is on record.
            Throttled: nobody, once too often from this source. A right token is never refused so.
            BackendUnavailable: the keys of the token's issuer are not to be had.
        """
        try:
            return await self._proof(token, host, asker)
        except Unauthenticated as error:
            source = source_of(asker.ip_address)
            wait_s = self._limits.bearers.retry_after_s(source)
            if wait_s:
                raise Throttled("Too many wrong tokens from this address.", retry_after_s=wait_s) from error
            self._limits.bearers.failed(source)
            await self._identities.record_refusal(asker, error)
            raise

    async def _proof(self, token: str, host: str, asker: Caller) -> Proof:
        if token.startswith(API_TOKEN_PREFIXES):
            proven = self._identities.prove_token(token, ip_address=asker.ip_address)
            return Proof(proven.identity, AuthMethod.TOKEN, credential=_text(proven.id))
        if self._issuers is not None and (found := self._issuers.of(token)) is not None:
            issuer, said = found
            vouched = await issuer.vouch(token, said)
            if self._identities.is_disabled(vouched.identity):
                raise Unauthenticated("This identity is disabled here.")
            return Proof(vouched.identity, AuthMethod.OIDC, vouched.groups)
        return Proof(self.clients.authenticate(token, host), AuthMethod.CLIENT)
