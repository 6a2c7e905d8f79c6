"""Logging in at an OpenID Connect issuer from a terminal: the device authorisation grant (RFC 8628).

A person opens an address in any browser and types a short code there; the terminal asks the issuer meanwhile.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec

from holdfast.client.connection import trust
from holdfast.errors import UNREADABLE, BackendUnavailable, InvalidInput, Unauthenticated
from holdfast.outbound.answers import read_whole

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_INTERVAL_S: Final = 5.0
"""Seconds between questions where the issuer says nothing (RFC 8628, 3.2)."""

SLOWER_S: Final = 5.0
"""Seconds more after each ``slow_down`` (RFC 8628, 3.5)."""

MAX_INTERVAL_S: Final = 60.0
MAX_LIFE_S: Final = 1800.0
"""Seconds; no issuer keeps a code open for longer, and nobody watches a terminal for longer."""

_PATIENCE_S: Final = 10.0
_MAX_BYTES: Final = 256 * 1024
_CODE_MAX: Final = 4096


class _Discovered(msgspec.Struct):
    issuer: str
    token_endpoint: str
    device_authorization_endpoint: str


class _Started(msgspec.Struct):
    device_code: str
    user_code: str
    verification_uri: str
    expires_in: float
    interval: float = DEFAULT_INTERVAL_S
    verification_uri_complete: str | None = None


class _Given(msgspec.Struct):
    access_token: str = ""
    id_token: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a person is to do: open ``address`` and type ``code``, within ``seconds``."""

    address: str
    code: str
    seconds: float


class DeviceLogin:
    """One login. Open it with ``async with``.

    Args:
        issuer: the issuer's address, exactly as its tokens have it.
        client_id: what the issuer knows this program as; a public client, without a secret.
        ca_file: PEM file of the CA to trust for the issuer instead of the system's.
    """

    def __init__(self, issuer: str, client_id: str, scope: str, *, ca_file: Path | None = None) -> None:
        self._issuer, self._client_id, self._scope = _https(issuer.rstrip("/"), "The issuer"), client_id, scope
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust(self._ca_file)),
            timeout=aiohttp.ClientTimeout(total=_PATIENCE_S),
            headers={"Accept": "application/json", "User-Agent": "holdfast"},
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def tokens(
        self,
        invite: Callable[[Invitation], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> list[str]:
        """Invite a person, wait for them, and return the tokens that the issuer then gives, the likelier one first.

        Raises:
            Unauthenticated: the person refused, or the code ran out.
            BackendUnavailable: the issuer does not answer, or not as RFC 8628 has it.
        """
        found = await self._discover()
        form = {"client_id": self._client_id, "scope": self._scope}
        started = _read(_Started, *await self._post(found.device_authorization_endpoint, form))
        life_s = min(max(started.expires_in, 0.0), MAX_LIFE_S)
        invite(_invitation(started, life_s))
        question = {"grant_type": GRANT, "device_code": started.device_code, "client_id": self._client_id}
        until, pause_s = monotonic() + life_s, min(max(started.interval, 1.0), MAX_INTERVAL_S)
        while monotonic() + pause_s < until:
            await sleep(pause_s)
            given, pause_s = await self._ask(found.token_endpoint, question, pause_s)
            if given:
                return given
        raise Unauthenticated("The code has run out before anybody used it: log in again.")

    async def _ask(self, address: str, question: Mapping[str, str], pause_s: float) -> tuple[list[str], float]:
        """Ask once; returns the tokens, none while the person has not decided, and how long to wait then."""
        try:
            status, raw = await self._post(address, question)
        except BackendUnavailable:  # the person may be at it all the same (RFC 8628, 3.5: back off, and go on)
            return [], min(pause_s * 2, MAX_INTERVAL_S)
        return judge(status, raw, pause_s)

    async def _discover(self) -> _Discovered:
        found: _Discovered = _read(_Discovered, *await self._get(f"{self._issuer}/.well-known/openid-configuration"))
        if found.issuer.rstrip("/") != self._issuer:
            raise BackendUnavailable(f"{self._issuer} names another issuer: give the address that tokens have.")
        for address in (found.token_endpoint, found.device_authorization_endpoint):
            _https(address, "An address of the issuer")
        return found

    async def _get(self, address: str) -> tuple[int, bytes]:
        return await self._request("GET", address, None)

    async def _post(self, address: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        return await self._request("POST", address, form)

    async def _request(self, method: str, address: str, form: Mapping[str, str] | None) -> tuple[int, bytes]:
        if self._session is None:
            raise BackendUnavailable("The login is not open: use `async with`.")
        try:
            async with self._session.request(method, address, data=form, allow_redirects=False) as answer:
                return answer.status, await read_whole(answer, _MAX_BYTES)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise BackendUnavailable(f"The issuer {self._issuer} cannot be asked ({type(error).__name__}).") from None


def judge(status: int, raw: bytes, pause_s: float) -> tuple[list[str], float]:
    """Return the tokens in an answer of the token endpoint, none while it is to be asked again, and after how long.

    Raises:
        Unauthenticated: the person refused, the code ran out, or the issuer takes none from this client.
        BackendUnavailable: it is no such answer.
    """
    try:
        given = msgspec.json.decode(raw, type=_Given)
    except UNREADABLE:
        if status >= 500:
            return [], min(pause_s * 2, MAX_INTERVAL_S)
        raise BackendUnavailable("The issuer did not answer as RFC 8628 has it.") from None
    if status == 200:
        tokens = [each for each in (given.access_token, given.id_token) if each.count(".") == 2]
        if not tokens:
            raise Unauthenticated("The issuer gave no token that says who you are: ask for the scope openid.")
        return tokens, pause_s
    if given.error == "authorization_pending":
        return [], pause_s
    if given.error == "slow_down":
        return [], min(pause_s + SLOWER_S, MAX_INTERVAL_S)
    if status >= 500:
        return [], min(pause_s * 2, MAX_INTERVAL_S)
    raise Unauthenticated(_REFUSALS.get(given.error, "The issuer refuses this login; its administrator can see why."))


_REFUSALS: Final = {
    "access_denied": "The login was refused in the browser.",
    "expired_token": "The code has run out before anybody used it: log in again.",
    "invalid_client": "The issuer does not know this client: check --client-id.",
    "unauthorized_client": "The issuer does not let this client log in by code: allow it the device grant there.",
}


def _read(kind: type[Any], status: int, raw: bytes) -> Any:
    if status == 200:
        with suppress(*UNREADABLE):
            return msgspec.json.decode(raw, type=kind)
    refusal = ""
    with suppress(*UNREADABLE):
        refusal = _REFUSALS.get(msgspec.json.decode(raw, type=_Given).error, "")
    if refusal:
        raise Unauthenticated(refusal)
    raise BackendUnavailable(f"The issuer offers no login by code (it answered {status}): is the address right?")


def _invitation(started: _Started, life_s: float) -> Invitation:
    address = started.verification_uri_complete or started.verification_uri
    if not started.user_code or len(started.device_code) > _CODE_MAX:
        raise BackendUnavailable("The issuer did not answer as RFC 8628 has it.")
    return Invitation(address=_https(address, "The address to open"), code=started.user_code, seconds=life_s)


def _https(address: str, what: str) -> str:
    with suppress(ValueError):
        if urlsplit(address).scheme == "https" and urlsplit(address).hostname and address.isprintable():
            return address
    raise InvalidInput(f"{what} must begin with https://.", field="oidc")
