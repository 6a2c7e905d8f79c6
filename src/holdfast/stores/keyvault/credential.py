"""Tokens of the node's identity: one credential per process, whose failures are backend failures."""

import asyncio
from typing import Any, Final, Self

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

from holdfast.errors import BackendRefused
from holdfast.resilience.singleflight import SingleFlight
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.audience import foreign_resource
from holdfast.stores.keyvault.identity import open_credential
from holdfast.stores.keyvault.login import stamp_of
from holdfast.stores.keyvault.token_failures import token_failure
from holdfast.stores.keyvault.transport import QUIET, open_connector, open_session, transport

TOKEN_TIMEOUT_S: Final = 30.0
"""Seconds for one token. Much longer than a read waits: a slow endpoint still serves the reads that come after."""


class TokenSource:
    """A credential for the SDK's client that raises Holdfast's errors.

    They pass through the SDK untouched, so that a failure to get a token, before anything was sent to the vault, is
    not mistaken for a lost answer of the vault. Concurrent calls share one request, which outlives their patience.
    ``address``: of the vault, for whose resources alone tokens are asked then. ``purpose``: what they are for.

    Raises:
        ConfigurationError: something of the identity is missing, or a file of it is not usable.
    """

    def __init__(self, access: Access, address: str | None, purpose: str = "Key Vault", **pipeline: Any) -> None:
        self._login, self._address, self._purpose = access.login, address, purpose
        self._pipeline = pipeline
        self._stamp = stamp_of(self._login)
        self._credential = open_credential(self._login, **pipeline)
        self._newest = ""
        self._distrusted = False
        self._flights: SingleFlight[object, AccessTokenInfo] = SingleFlight()

    def distrust(self, token: str) -> None:
        """Hear that the vault refused a token. The SDK's credential would hand it out again until it expires."""
        self._distrusted = self._distrusted or token == self._newest

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return a token for the scopes.

        Raises:
            BackendRefused: the endpoint does not accept our credential, or the token would be for somebody else.
            BackendUnavailable: it does not answer, or not properly, or the identity is not to be had here.
        """
        if self._address is not None:
            _check_resources(scopes, self._address)
        key = (scopes, tuple(sorted((options or {}).items(), key=str)))
        return await self._flights.do(key, lambda: self._request(scopes, options))

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token in the SDK's older form."""
        wanted = TokenRequestOptions(**{key: value for key, value in options.items() if value is not None})  # type: ignore[typeddict-item]
        token = await self.get_token_info(*scopes, options=wanted)
        return AccessToken(token.token, token.expires_on)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give up requests under way and close the credential."""
        await self._flights.aclose()
        await self._credential.close()

    async def _request(self, scopes: tuple[str, ...], options: TokenRequestOptions | None) -> AccessTokenInfo:
        try:
            async with asyncio.timeout(TOKEN_TIMEOUT_S):
                await self._renew()
                token = await self._credential.get_token_info(*scopes, options=options)
        except Exception as error:
            failure = token_failure(error, self._login, self._purpose, (options or {}).get("tenant_id"))
            failure.certain = True  # without a token nothing of the vault can be asked
            failure.reason = str(failure).removesuffix(".")
            raise failure from None
        self._newest = token.token
        return token

    async def _renew(self) -> None:
        """Open the credential again where its token was refused, or a file that it was made of is another by now."""
        stamp = stamp_of(self._login)
        if not self._distrusted and stamp == self._stamp:
            return
        opened = open_credential(self._login, **self._pipeline)
        former, self._credential = self._credential, opened
        self._distrusted, self._stamp = False, stamp
        await former.close()


class NodeTokens(TokenSource):
    """Tokens of the node's own identity for whatever accepts them, whether or not there is a vault.

    It is an asynchronous credential of azure-core: ``(await tokens.get_token_info(SCOPE)).token``. Asking is cheap: the
    SDK keeps a token until shortly before it expires. Use it in one event loop, with ``async with``, or close it.

    Raises:
        ConfigurationError: something of the identity is missing, or a file of it is not usable.
        StartupError: the CA file is not usable.
    """

    def __init__(self, access: Access, purpose: str) -> None:
        self._session = open_session(open_connector(access))
        http = transport(self._session, access, access.login.authority_host or "")
        super().__init__(access, None, purpose, transport=http, logger=QUIET)

    async def close(self) -> None:
        """Close the connections as well."""
        await super().close()
        await self._session.close()


def _check_resources(scopes: tuple[str, ...], address: str) -> None:
    for foreign in filter(None, (foreign_resource(scope, address) for scope in scopes)):
        raise BackendRefused(
            f"The vault asks for a token for {foreign}, which is no resource of its own: none was asked for. "
            "See what answers at its address."
        ) from None
