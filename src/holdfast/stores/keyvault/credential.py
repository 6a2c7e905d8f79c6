"""Our identity at Key Vault: one credential per process, whose failures are backend failures."""

import asyncio
import json
from typing import Any, Final, Protocol, Self
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError
from azure.identity.aio import ClientSecretCredential, DefaultAzureCredential

from holdfast.errors import BackendRefused, BackendUnavailable, Throttled
from holdfast.resilience.singleflight import SingleFlight
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.audience import foreign_resource
from holdfast.stores.keyvault.entra import PASSING, TokenError, code_in, other_tenant, token_error
from holdfast.stores.keyvault.errors import retry_after_s
from holdfast.stores.keyvault.faults import connection_fault
from holdfast.stores.keyvault.transport import NEVER_SENT, QUIET, open_connector, open_session, transport

_FAILED: Final = "The token endpoint gave no token"

TOKEN_TIMEOUT_S: Final = 30.0
"""Seconds for one token. Much longer than a read waits: a slow endpoint still serves the reads that come after."""

MICROSOFT_AUTHORITIES: Final = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.chinacloudapi.cn",
        "login.partner.microsoftonline.cn",
    }
)
"""Hosts of Microsoft's own token endpoints, whose instance discovery works (azure-identity's AzureAuthorityHosts)."""


class Credential(Protocol):
    """What the SDK's asynchronous credentials have in common."""

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return a token for the scopes."""

    async def close(self) -> None:
        """Close connections."""


def open_credential(access: Access, **pipeline: Any) -> Credential:
    """Return the SDK's credential for an access. ``pipeline``: its transport and further SDK options."""
    if access.authority:
        pipeline["authority"] = access.authority
        pipeline["disable_instance_discovery"] = _host(access.authority) not in MICROSOFT_AUTHORITIES
    if access.tenant_id and access.client_id and access.client_secret:
        return ClientSecretCredential(
            access.tenant_id, access.client_id, access.client_secret, retry_total=0, **pipeline
        )
    return DefaultAzureCredential(managed_identity_client_id=access.client_id, retry_total=0, **pipeline)


def _host(authority: str) -> str | None:
    return urlsplit(authority if "//" in authority else f"//{authority}").hostname


class TokenSource:
    """A credential for the SDK's client that raises Holdfast's errors.

    They pass through the SDK untouched, so that a failure to get a token, before anything was sent to the vault, is
    not mistaken for a lost answer of the vault. Concurrent calls share one request, which outlives their patience.
    ``address``: of the vault, for whose resources alone tokens are asked then. ``purpose``: what they are for.
    """

    def __init__(self, access: Access, address: str | None, purpose: str = "Key Vault", **pipeline: Any) -> None:
        self._access, self._address, self._purpose = access, address, purpose
        self._pipeline = pipeline
        self._credential = open_credential(access, **pipeline)
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
            BackendUnavailable: it does not answer, or not properly, or no credential can be found.
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
        if self._distrusted:
            self._distrusted = False
            await self._credential.close()
            self._credential = open_credential(self._access, **self._pipeline)
        try:
            async with asyncio.timeout(TOKEN_TIMEOUT_S):
                token = await self._credential.get_token_info(*scopes, options=options)
        except Exception as error:
            failure = _token_failure(error, self._access, self._purpose, (options or {}).get("tenant_id"))
            failure.certain = True  # without a token nothing of the vault can be asked
            failure.reason = str(failure).removesuffix(".")
            raise failure from None
        self._newest = token.token
        return token


class NodeTokens(TokenSource):
    """Tokens of the node's own identity for whatever accepts them, whether or not there is a vault.

    It is an asynchronous credential of azure-core: ``(await tokens.get_token_info(SCOPE)).token``. Asking is cheap: the
    SDK keeps a token until shortly before it expires. Use it in one event loop, with ``async with``, or close it.

    Raises:
        StartupError: the CA file is not usable.
    """

    def __init__(self, access: Access, purpose: str) -> None:
        self._session = open_session(open_connector(access))
        http = transport(self._session, access, access.authority or "")
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


def _token_failure(error: Exception, access: Access, purpose: str, asked_tenant: object) -> BackendUnavailable:
    """Judge a failure to get a token. The SDK's text may quote the endpoint's, and is left out."""
    if isinstance(error, CredentialUnavailableError):
        return BackendUnavailable(
            f"No credential for {purpose} is available here: give AZURE_TENANT_ID, AZURE_CLIENT_ID and "
            "AZURE_CLIENT_SECRET, or a managed identity."
        )
    if not isinstance(error, ClientAuthenticationError):
        return BackendUnavailable(f"{_FAILED}: {_no_answer(error)}.")
    if error.response is None:
        return _never_asked(error, access, purpose, asked_tenant)
    return _of_answer(error.response, purpose)


def _never_asked(
    error: ClientAuthenticationError, access: Access, purpose: str, asked_tenant: object
) -> BackendUnavailable:
    """Judge what the SDK decided by itself, or after it had tried several credentials."""
    if code := code_in(str(error)):
        return _refused(TokenError(code), purpose)
    if foreign := other_tenant(access, asked_tenant):
        return BackendRefused(f"No token for {purpose} was asked for: {foreign}.")
    return BackendUnavailable(f"{_FAILED}: its answer holds none, or no credential that was tried works.")


def _of_answer(response: Any, purpose: str) -> BackendUnavailable:
    status = int(response.status_code)
    if status == 429:
        pause_s = retry_after_s(response.headers.get("Retry-After"))
        return Throttled("The token endpoint throttles us.", retry_after_s=pause_s)
    if 400 <= status < 500:
        return _refused(token_error(_body(response)), purpose)
    return BackendUnavailable(f"{_FAILED}: it answered {status}.")


def _refused(told: TokenError, purpose: str) -> BackendUnavailable:
    text = f"{_FAILED} for {purpose}: {told.reason}"
    return BackendUnavailable(text) if told.code in PASSING else BackendRefused(text)


def _body(response: Any) -> Any:
    try:
        return json.loads(response.body())
    except (ValueError, RecursionError, AttributeError):  # whatever it is, it tells no code
        return None


def _no_answer(error: Exception) -> str:
    if isinstance(error.__cause__, NEVER_SENT):
        return connection_fault(error).text
    return f"no usable answer ({type(error.__cause__ or error).__name__})"
