"""A KV version 2 engine of HashiCorp Vault or OpenBao as a source: three requests of its HTTP API."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from holdfast.domain.secret import Attributes
from holdfast.errors import BackendRefused, BackendUnavailable, HoldfastError, InvalidInput, SecretNotFound, Throttled
from holdfast.importing.files import read_json
from holdfast.importing.items import Content, Item, check_count
from holdfast.importing.patience import patiently
from holdfast.importing.trees import Fields, Tree, item_of, items_of
from holdfast.outbound.answers import read_whole
from holdfast.resilience.clock import Timer

PATIENCE_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 4_000_000
"""A Vault takes requests of 32 MB at most, and stores a KV secret of about 1 MB."""
MAX_DEPTH: Final = 32


class KvSource:
    """The secrets below ``path`` of the engine mounted at ``mount``, the newest version of each.

    Args:
        session: sends the token and the namespace; see ``open_kv``.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: str,
        mount: str,
        clock: Timer,
        *,
        path: str = "",
        fields: Fields = Fields.SPLIT,
    ) -> None:
        self._session, self._address, self._clock, self._fields = session, address.rstrip("/"), clock, fields
        self._mount, self._path = _segments(mount), path.strip("/")
        self._folders = 0

    async def items(self) -> AsyncIterator[Item]:
        """Yield them, folder by folder.

        Raises:
            BackendUnavailable: the server does not answer, or refuses the token.
            InvalidInput: there is no such engine or folder, or too much in it.
        """
        found = 0
        async for path in self._paths(self._path, 0):
            for item in await self._items_at(path):
                found += 1
                check_count(found)
                yield item

    async def _paths(self, folder: str, depth: int) -> AsyncIterator[str]:
        if depth > MAX_DEPTH:
            raise InvalidInput(f"The source has folders within folders, deeper than {MAX_DEPTH}: name one with --path.")
        self._folders += 1
        check_count(self._folders)
        keys = (await self._asked(f"metadata/{_segments(folder)}?list=true")).get("keys")
        if not isinstance(keys, list):
            raise self._other_answer()
        for key in sorted(map(str, keys)):
            below = f"{folder}/{key}" if folder else key
            if not key.endswith("/"):
                yield below
                continue
            async for path in self._paths(below.rstrip("/"), depth + 1):
                yield path

    async def _items_at(self, path: str) -> list[Item]:
        origin = f"{self._address}: {path}"
        try:
            secret = await self._asked(f"data/{_segments(path)}")
        except SecretNotFound:
            return [Item(source=path, origin=origin, left_out="its newest version is deleted there")]
        values, metadata = secret.get("data"), secret.get("metadata")
        tags = (metadata.get("custom_metadata") or {}) if isinstance(metadata, Mapping) else None
        if not isinstance(values, Mapping) or not isinstance(tags, Mapping):
            raise self._other_answer()
        if self._fields is Fields.JSON:
            return [_whole(path, origin, values, tags)]
        found = items_of({path: values}, self._address, Fields.SPLIT) if values else ()
        return [_tagged(item, tags) for item in found]

    async def _asked(self, path: str) -> Mapping[str, Any]:
        return await patiently(lambda: self._get(path), self._clock)

    async def _get(self, path: str) -> Mapping[str, Any]:
        url = f"{self._address}/v1/{self._mount}/{path}"
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                raw, status = await read_whole(response, MAX_ANSWER_BYTES), response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise BackendUnavailable(f"{self._address} cannot be reached ({type(error).__name__})") from None
        if status != 200:
            raise _refusal(self._address, self._mount, status)
        try:
            answer: Any = read_json(raw.decode("utf-8", "replace"), "answer")
        except InvalidInput:
            answer = {}
        if not isinstance(data := answer.get("data"), Mapping):
            raise self._other_answer()
        return data

    def _other_answer(self) -> BackendUnavailable:
        return BackendUnavailable(f"{self._address} did not answer as a KV version 2 engine does")


@asynccontextmanager
async def open_kv(
    token: str, namespace: str | None = None, ca_file: Path | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session that proves itself with a token.

    Raises:
        InvalidInput: the CA file is none, or the token or namespace cannot be one.
    """
    for field, text in (("token", token), ("namespace", namespace or "")):
        if not (text.isascii() and text.isprintable()):
            raise InvalidInput(f"The {field} must be printable ASCII characters.", field=field)
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError):
        raise InvalidInput(f"{ca_file} is no readable PEM file of a CA.", field="cacert") from None
    headers = {"X-Vault-Token": token, "X-Vault-Request": "true", "User-Agent": "holdfast"}
    if namespace is not None:
        headers["X-Vault-Namespace"] = namespace
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout, trust_env=False) as session:
        yield session


def _whole(path: str, origin: str, values: Mapping[str, Tree], tags: Mapping[str, str]) -> Item:
    return _tagged(item_of(path, origin, values), tags)


def _tagged(item: Item, tags: Mapping[str, str]) -> Item:
    if not tags:
        return item
    attributes = Attributes(content_type=item.content_type, tags=dict(tags))
    versions = tuple(Content(value=each.value, attributes=attributes) for each in item.versions)
    return replace(item, versions=versions)


def _segments(path: str) -> str:
    return "/".join(quote(each, safe="") for each in path.strip("/").split("/"))


def _refusal(address: str, mount: str, status: int) -> HoldfastError:
    if status == 404:
        return SecretNotFound(f"{address} has nothing at this place of {mount}/, or no KV version 2 engine there.")
    if status == 403:
        return BackendRefused(
            f"{address} refuses the token: it needs read and list at {mount}/data and {mount}/metadata."
        )
    if status == 429:
        return Throttled(f"{address} throttles us.")
    if status in (307, 308):
        return InvalidInput(f"{address} is a standby: name the active node.")
    return BackendUnavailable(f"{address} answered {status}: is it sealed?")
