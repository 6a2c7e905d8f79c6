"""Key Vault behind ``holdfast.ports.Vault``: each call one attempt, each answer checked, each error typed."""

import asyncio
import codecs
import math
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.keyvault.secrets.aio import SecretClient

from holdfast.domain.intent import MARKER_TAG, Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import NameUnavailable, Rejected, SecretNotFound
from holdfast.ports import OddEntry, VaultVersion, carried
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.answers import Answers, odd
from holdfast.stores.keyvault.audience import is_azure
from holdfast.stores.keyvault.credential import TokenSource
from holdfast.stores.keyvault.errors import ImplausibleAnswer, translated
from holdfast.stores.keyvault.links import MAX_HISTORY_BYTES, Course, ListingEnds
from holdfast.stores.keyvault.pages import page, parse
from holdfast.stores.keyvault.transport import QUIET, open_connector, open_session, transport

_PAGE_SIZE: Final = 25
"""Entries per page: Key Vault's maximum, and its default."""

_LARGE_BYTES: Final = 256 * 1024
"""A larger answer is not looked through on the event loop, where it would keep others waiting."""

_NO_VERSION: Final = "0" * 32
"""An id that no version has: Key Vault draws them at random."""

T = TypeVar("T")


class KeyVaultStore:
    """The vault at an address; see ``open_key_vault`` for the arguments and ``holdfast.ports.Vault`` for the calls."""

    def __init__(self, vault_url: str, access: Access) -> None:
        self._host = urlsplit(vault_url).netloc
        self._answers = Answers(vault_url)
        self._connections = open_connector(access)
        self._session = open_session(self._connections)
        http = transport(self._session, access, vault_url)
        self._tokens = TokenSource(access, vault_url, transport=http, logger=QUIET)
        self._client = SecretClient(
            vault_url,
            self._tokens,
            api_version=access.api_version,
            transport=http,
            logger=QUIET,
            retry_total=0,
            permit_redirects=False,
            verify_challenge_resource=is_azure(vault_url),
            raw_request_hook=self._trace,
            raw_response_hook=self._look,
        )

    async def get(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """Return the newest or the given version with its value."""
        with translated("get", name, writing=False):
            path = f"/secrets/{name}/{vault_version_id or ''}"
            return await _looked(
                await self._send(HttpRequest("GET", path)), self._answers.secret, name, vault_version_id
            )

    async def set(self, name: str, value: SecretValue, attributes: Attributes, marker: Marker | None) -> VaultVersion:
        """Create a version that carries ``marker``, if there is one, among its tags."""
        with translated("set", name, writing=True):
            body = {"value": value.reveal(), **_body(attributes, _marked(marker))}
            return self._answers.secret(await self._send(HttpRequest("PUT", f"/secrets/{name}", json=body)), name)

    async def update(
        self, name: SecretName, vault_version_id: str, attributes: Attributes, marker: Marker | None
    ) -> None:
        """Replace the attributes of a version; the marker tag is kept.

        Raises:
            Rejected: besides its other reasons, when the vault keeps a date or content type that is to be cleared.
        """
        with translated("update", name, writing=True):
            path, body = f"/secrets/{name}/{vault_version_id}", _body(attributes, _marked(marker))
            answer = parse(await self._send(HttpRequest("PATCH", path, json=body)))
            leftover = _leftover(self._answers.version(answer, name).attributes, attributes)
            if leftover:
                await self._clear(name, vault_version_id, leftover)

    async def delete(self, name: SecretName) -> None:
        """Soft-delete; returns when the vault has accepted it."""
        with translated("delete", name, writing=True):
            self._answers.expect_id(await self._send(HttpRequest("DELETE", f"/secrets/{name}")), name)

    async def recover(self, name: SecretName) -> None:
        """Bring a deleted secret back; returns when the vault has accepted it."""
        with translated("recover", name, writing=True):
            self._answers.expect_id(await self._send(HttpRequest("POST", f"/deletedsecrets/{name}/recover")), name)

    async def purge(self, name: SecretName) -> None:
        """Destroy a deleted secret for good; returns when the vault has accepted it."""
        with translated("purge", name, writing=True):
            await self._client.purge_deleted_secret(name)

    async def touch(self, name: SecretName) -> None:
        """Ask for a change that changes nothing, of a version that cannot exist: does the vault take changes from us?

        Its body is empty, so that nothing is lost where a server takes the newest version for one it does not know.
        """
        with suppress(SecretNotFound), translated("change of nothing", name, writing=True):
            await self._send(HttpRequest("PATCH", f"/secrets/{name}/{_NO_VERSION}", json={}))

    async def is_deleted(self, name: SecretName) -> bool:
        """Whether the vault confirms that the name is soft-deleted."""
        try:
            with translated("get deleted", name, writing=False):
                self._answers.expect_id(await self._send(HttpRequest("GET", f"/deletedsecrets/{name}")), name)
        except SecretNotFound:
            return False
        return True

    async def deleted(self, name: SecretName) -> VaultVersion:
        """The newest version of a soft-deleted secret, without its value; ``SecretNotFound`` if it is not deleted."""
        with translated("get deleted", name, writing=False):
            return self._answers.version(parse(await self._send(HttpRequest("GET", f"/deletedsecrets/{name}"))), name)

    def versions(self, name: SecretName) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """All versions of a secret in no particular order, without values; nothing for an unknown name."""

        def version(entry: bytes) -> VaultVersion:
            return self._answers.version(parse(entry), name)

        return self._listing("list versions", name, f"/secrets/{name}/versions", version, max_bytes=MAX_HISTORY_BYTES)

    def secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """The newest version of every secret, without values and with ``vault_version_id`` ""."""
        return self._listing("list", "*", "/secrets", self._answers.listed)

    def deleted_secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """The newest version of every soft-deleted secret, likewise."""
        return self._listing("list deleted", "*", "/deletedsecrets", self._answers.listed)

    def reconnect(self) -> None:
        """Close the connections that are open and idle: the other side may have forgotten them."""
        self._connections.drop_idle()

    async def aclose(self) -> None:
        """Close connections and credentials."""
        await self._tokens.close()
        await self._client.close()
        await self._session.close()

    async def _listing(
        self,
        operation: str,
        name: str,
        path: str,
        read: Callable[[bytes], VaultVersion],
        max_bytes: float = math.inf,
    ) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        course = Course(path, self._host, max_bytes=max_bytes)
        link: str | None = f"{path}?maxresults={_PAGE_SIZE}"
        while link:
            with translated(operation, name, writing=False):
                found = await _looked(await self._send(HttpRequest("GET", link)), page)
            for entry in found.entries:
                yield _read(entry, read)
            with translated(operation, name, writing=False), _named(operation, name):
                link = course.after(found)

    async def _send(self, request: HttpRequest) -> bytes:
        """Send a request and return what was answered, for ``Answers`` to read.

        The SDK's own methods read it with models that refuse a whole page for one date, and wait for deletions.
        """
        response = await self._client.send_request(request)
        if response.status_code >= 300:
            raise HttpResponseError(response=response)
        if response.status_code != 200:
            raise ImplausibleAnswer(f"status {response.status_code}")
        return bytes(response.content).removeprefix(codecs.BOM_UTF8)  # some emulators begin with it

    async def _clear(self, name: SecretName, vault_version_id: str, leftover: dict[str, Any]) -> None:
        """Ask for the removal of attributes in the one form that removes them: null."""
        request = HttpRequest("PATCH", f"/secrets/{name}/{vault_version_id}", json=leftover)
        body = parse(await self._send(request))
        kept = [
            key for key in ("nbf", "exp") if key in leftover["attributes"] and body["attributes"].get(key) is not None
        ]
        if kept or (leftover.get("contentType") == "" and body.get("contentType")):
            raise Rejected(
                f"Key Vault keeps the dates or the content type of {name!r}, which were to be cleared: set the secret "
                "again instead of updating it."
            )

    def _trace(self, request: PipelineRequest[HttpRequest]) -> None:
        """Let a request carry the trace that it belongs to."""
        request.http_request.headers.update(carried())

    def _look(self, response: PipelineResponse[HttpRequest, AsyncHttpResponse]) -> None:
        """Look at an answer as it came: did it refuse our token?"""
        if response.http_response.status_code == 401:
            self._tokens.distrust(response.http_request.headers.get("Authorization", "").removeprefix("Bearer "))


async def _looked(raw: bytes, look: Callable[..., T], *terms: object) -> T:
    return look(raw, *terms) if len(raw) <= _LARGE_BYTES else await asyncio.to_thread(look, raw, *terms)


def _read(entry: bytes, read: Callable[[bytes], VaultVersion]) -> VaultVersion | OddEntry:
    try:
        return read(entry)
    except ImplausibleAnswer as error:
        return odd(entry, error)


def _body(attributes: Attributes, marked: dict[str, str]) -> dict[str, Any]:
    """The members of a request that say everything but the value; what is not set is left out."""
    dates = {"nbf": attributes.nbf, "exp": attributes.exp}
    told = {member: seconds for member, seconds in dates.items() if seconds is not None}
    content_type = {"contentType": attributes.content_type} if attributes.content_type is not None else {}
    return {
        **content_type,
        "attributes": {"enabled": attributes.enabled, **told},
        "tags": {**attributes.tags, **marked},
    }


def _marked(marker: Marker | None) -> dict[str, str]:
    return {MARKER_TAG: str(marker)} if marker else {}


def _leftover(found: Attributes, wanted: Attributes) -> dict[str, Any]:
    """Return the PATCH body that clears what should not be there any more; empty if nothing is."""
    dates = {
        key: None
        for key, is_set, should in (
            ("nbf", found.not_before, wanted.not_before),
            ("exp", found.expires_at, wanted.expires_at),
        )
        if is_set and not should
    }
    content_type = {"contentType": ""} if found.content_type and not wanted.content_type else {}
    return {"attributes": dates, **content_type} if dates or content_type else {}


@contextmanager
def _named(operation: str, name: str) -> Iterator[None]:
    try:
        yield
    except ListingEnds as error:
        raise NameUnavailable(
            f"The {operation} of {name!r} at Key Vault is incomplete: {error}. What came before it counts."
        ) from None
