"""Why there is no token for the node's identity. The SDK's texts may quote an endpoint's, and are left out."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import CredentialUnavailableError

from holdfast.config.azure import AzureSettings, Identity
from holdfast.errors import BackendRefused, BackendUnavailable, ConfigurationError, Throttled
from holdfast.stores.keyvault.claims import claims_of
from holdfast.stores.keyvault.entra import PASSING, TokenError, code_in, other_tenant, token_error
from holdfast.stores.keyvault.errors import retry_after_s
from holdfast.stores.keyvault.faults import connection_fault
from holdfast.stores.keyvault.login import assertion_of, certificate_of, whom
from holdfast.stores.keyvault.transport import NEVER_SENT

_FAILED: Final = "The token endpoint gave no token"
_LOG_IN: Final = "Log in with `az login`, `azd auth login` or Connect-AzAccount."
_ASSIGN: Final = (
    "Assign one (az vm identity assign, az webapp identity assign), or name a user-assigned one in AZURE_CLIENT_ID."
)
_ELSEWHERE: Final = (
    "Outside Azure give a client with its secret, certificate or federated token; on a desk set "
    "HOLDFAST_AZURE_IDENTITY=developer. See docs/azure.md."
)


def token_failure(error: Exception, login: AzureSettings, purpose: str, asked_tenant: object) -> BackendUnavailable:
    """Judge a failure to get a token. ``asked_tenant``: the one that the vault named, if it did."""
    if isinstance(error, ConfigurationError):
        return BackendUnavailable(f"No token for {purpose} was asked for: {' '.join(error.faults)}")
    if isinstance(error, CredentialUnavailableError):
        return _not_there(error, login, purpose)
    if not isinstance(error, ClientAuthenticationError):
        return BackendUnavailable(f"{_FAILED}: {_no_answer(error)}.")
    if error.response is None:
        return _never_asked(error, login, purpose, asked_tenant)
    return _of_answer(error.response, login, purpose)


def _not_there(error: CredentialUnavailableError, login: AzureSettings, purpose: str) -> BackendUnavailable:
    if login.identity is Identity.DEVELOPER:
        return BackendUnavailable(f"No one is logged in on this machine to get a token for {purpose}. {_LOG_IN}")
    answer = _answer_behind(error)
    if answer is not None and 400 <= answer.status_code < 500:
        return _of_answer(answer, login, purpose)
    why = "it has no usable answer" if answer is not None else _no_answer(error.__cause__ or error)
    return BackendUnavailable(f"No managed identity for {purpose} is to be had: {whom(login)}: {why}. {_ELSEWHERE}")


def _answer_behind(error: BaseException) -> Any:
    cause = error.__cause__
    return cause.response if isinstance(cause, HttpResponseError) else getattr(error, "response", None)


def _never_asked(
    error: ClientAuthenticationError, login: AzureSettings, purpose: str, asked_tenant: object
) -> BackendUnavailable:
    """Judge what the SDK decided by itself, or after it had tried several credentials."""
    if code := code_in(str(error)):
        return _refused(TokenError(code), login, purpose)
    if foreign := other_tenant(login, asked_tenant):
        return BackendRefused(f"No token for {purpose} was asked for: {foreign}.")
    if login.identity is Identity.DEVELOPER:
        return BackendUnavailable(f"Who is logged in on this machine gets no token for {purpose}. {_LOG_IN}")
    return BackendUnavailable(f"{_FAILED}: its answer holds none.")


def _of_answer(response: Any, login: AzureSettings, purpose: str) -> BackendUnavailable:
    status = int(response.status_code)
    if status == 429:
        pause_s = retry_after_s(response.headers.get("Retry-After"))
        return Throttled("The token endpoint throttles us.", retry_after_s=pause_s)
    if login.identity is Identity.MANAGED and status in {400, 404}:
        named = f"no identity {login.client_id}" if login.client_id else "no identity of its own"
        return BackendRefused(f"{_FAILED} for {purpose}: this machine has {named} (it answered {status}). {_ASSIGN}")
    if 400 <= status < 500:
        return _refused(token_error(_body(response)), login, purpose)
    return BackendUnavailable(f"{_FAILED}: it answered {status}.")


def _refused(told: TokenError, login: AzureSettings, purpose: str) -> BackendUnavailable:
    text = f"{_FAILED} for {purpose}: {told.reason} Asked as {whom(login)}.{_ended(login, datetime.now(UTC))}"
    return BackendUnavailable(text) if told.code in PASSING else BackendRefused(text)


def _ended(login: AzureSettings, now: datetime) -> str:
    """Return that what proves the identity is too old, if it is: Entra ID's code may just say that it is wrong."""
    what: str = login.identity
    end: datetime | None = None
    try:
        if login.identity is Identity.CERTIFICATE:
            end = certificate_of(login)[1].expires_at
        elif login.identity is Identity.FEDERATED:
            what, end = "token", claims_of(assertion_of(login)).expires_at
    except ConfigurationError:  # it was there a moment ago, and is told at the next request
        return ""
    return f" This {what} expired at {end:%Y-%m-%d %H:%M} UTC." if end is not None and end <= now else ""


def _body(response: Any) -> Any:
    try:
        return json.loads(response.body())
    except (ValueError, RecursionError, AttributeError):  # whatever it is, it tells no code
        return None


def _no_answer(error: BaseException) -> str:
    if isinstance(error.__cause__, NEVER_SENT):
        return connection_fault(error).text
    return f"no usable answer ({type(error.__cause__ or error).__name__})"
