"""Asking Holdfast for a token: over verified TLS, at the address that this agent was given and no other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import msgspec

from holdfast import identity_wire as wire
from holdfast.agent.credentials import Assertion, ClientSecret, Credential
from holdfast.client.connection import path, trust, unreachable
from holdfast.domain.audit import printable
from holdfast.errors import UNREADABLE, BackendUnavailable, HoldfastError, InvalidInput, Throttled, Unauthenticated
from holdfast.outbound.answers import read_whole

PATIENCE_S: Final = 10.0
"""Seconds for one answer: Azure's libraries wait for about as long at an endpoint on loopback."""

MAX_ANSWER_BYTES: Final = 64 * 1024
_MAX_TEXT: Final = 500
_DEFAULT_RETRY_S: Final = 2.0
_NEVER_S: Final = 253_402_300_800
"""The year 10,000 in seconds since 1970, after which no library of programs can tell a moment."""

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523, 2.2."""


class _Given(msgspec.Struct):
    access_token: str
    expires_on: str | None = None
    not_before: str | None = None
    expires_in: int | None = None


class _Refused(msgspec.Struct):
    error: str = ""
    error_description: str = ""


class Holdfast:
    """A server that gives tokens. Open it with ``async with``.

    Args:
        address: ``https://host[:port]``.
        ca_file: PEM file of the CA to trust for it instead of the system's.
    """

    def __init__(self, address: str, *, ca_file: Path | None = None) -> None:
        self.address = address.rstrip("/")
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust(self._ca_file)),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
            headers={"User-Agent": "holdfast identity-endpoint"},
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def token(self, credential: Credential, resource: str, now_s: int) -> wire.Grant:
        """Return a token for ``resource``. ``now_s``: the present moment, in seconds since 1970.

        Raises:
            Unauthenticated: the server refuses the credential.
            InvalidInput: it gives no token for this resource.
            Throttled: it wants to be asked later.
            BackendUnavailable: it is out of reach, or does not answer as a Holdfast does.
        """
        if isinstance(credential, ClientSecret):
            raw = await self._of_secret(credential, resource)
        else:
            raw = await self._of_assertion(credential, resource)
        try:
            return _grant(msgspec.json.decode(raw, type=_Given), credential.client_id, resource, now_s)
        except UNREADABLE:
            raise BackendUnavailable(f"{self.address} did not answer as a Holdfast of this release does") from None

    async def _of_secret(self, credential: ClientSecret, resource: str) -> bytes:
        shown = {wire.SECRET_HEADERS[0]: f"{credential.client_id}:{credential.secret}"}
        query = {"api-version": wire.PRESENT, "resource": resource}
        return await self._send("GET", wire.PATH, params=query, headers=shown)

    async def _of_assertion(self, credential: Assertion, resource: str) -> bytes:
        form = {
            "grant_type": "client_credentials",
            "client_id": credential.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": credential.token,
            "scope": f"{resource}/.default",
        }
        return await self._send("POST", path("/{tenant}/oauth2/v2.0/token", tenant=credential.tenant), data=form)

    async def _send(self, method: str, target: str, **more: Any) -> bytes:
        if self._session is None:
            raise BackendUnavailable("The connection is not open: use `async with`.")
        try:
            async with self._session.request(method, self.address + target, allow_redirects=False, **more) as answer:
                raw, status, headers = await read_whole(answer, MAX_ANSWER_BYTES), answer.status, answer.headers
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self.address, error) from None
        if status != 200:
            raise _refusal(self.address, status, raw, headers)
        return raw


def _grant(given: _Given, client_id: str, resource: str, now_s: int) -> wire.Grant:
    begins = now_s if given.not_before is None else int(given.not_before)
    ends = begins + (given.expires_in or 0) if given.expires_on is None else int(given.expires_on)
    if not given.access_token or not given.access_token.isascii() or not 0 <= begins < ends < _NEVER_S:
        raise ValueError
    return wire.Grant(
        token=given.access_token, resource=resource, client_id=client_id, not_before=begins, expires_on=ends
    )


def _refusal(address: str, status: int, raw: bytes, headers: Mapping[str, str]) -> HoldfastError:
    try:
        said = msgspec.json.decode(raw, type=_Refused)
    except UNREADABLE:
        said = _Refused()
    text = printable(said.error_description, _MAX_TEXT) or f"status {status}"
    if said.error in {"invalid_client", "unauthorized_client"}:
        return Unauthenticated(f"{address} refuses the credential of this endpoint: {text}")
    if status == 429:
        return Throttled(f"{address} wants to be asked later: {text}", retry_after_s=_retry_s(headers))
    if status == 400 and said.error:
        return InvalidInput(f"{address} gives no token for this: {text}", field="resource")
    return BackendUnavailable(f"{address} gives no token at the moment: {text}")


def _retry_s(headers: Mapping[str, str]) -> float:
    given = headers.get("Retry-After", "")
    return float(given) if given.isdecimal() and given.isascii() and len(given) < 6 else _DEFAULT_RETRY_S
