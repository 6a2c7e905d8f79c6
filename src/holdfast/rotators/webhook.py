"""``webhook``: a receiver of yours takes the steps; each is told to it in a signed message (Standard Webhooks)."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import re
import socket
import ssl
import time
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from holdfast.errors import InvalidInput, RotationFailed
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.options import ReadSecret, known
from holdfast.rotators.random_value import OPTIONS as RANDOM_OPTIONS
from holdfast.rotators.random_value import random_value

_TIMEOUT_S: Final = 30.0
"""For one message with its answer, a lookup of the address included; half of what a step may take."""

_SHORTEST_KEY: Final = 24
"""Bytes, as Standard Webhooks has it."""

_KEY: Final = re.compile(r"whsec_([A-Za-z0-9+/]+={0,2})", re.ASCII)
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.ASCII)

_DETOURS: Final = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")))
"""IPv6 prefixes that lead to IPv4 addresses (NAT64, 6to4, Teredo), private ones among them."""


class Webhook(RotationHandler):
    """The candidate is made here; ``apply``, ``test`` and ``retire`` are messages, which any answer of 2xx confirms.

    Options: ``url``, and ``signing_secret``, the secret that holds the key the messages are signed with (``whsec_…``);
    besides, those of ``random``. A repeated message has the same ``webhook-id``, unless it asks for a test.

    Args:
        read_secret: gives out the key.
        allowed: origins that may be called although they are private, or not https on port 443.
    """

    def __init__(self, read_secret: ReadSecret, allowed: Collection[str] = ()) -> None:
        self._read_secret, self._allowed = read_secret, frozenset(allowed)

    async def create(self, rotation: Rotation) -> str:
        """Draw a value."""
        await self._prepared(rotation)
        return random_value(rotation.options)

    async def apply(self, rotation: Rotation) -> None:
        """Have the candidate accepted."""
        await self._tell(rotation, "apply", rotation.candidate)

    async def test(self, rotation: Rotation) -> None:
        """Have the candidate tried."""
        await self._tell(rotation, "test", rotation.candidate, again=True)

    async def retire(self, rotation: Rotation) -> None:
        """Have the old credential refused."""
        await self._tell(rotation, "retire", rotation.current)

    async def _prepared(self, rotation: Rotation) -> tuple[SplitResult, bytes]:
        known(rotation.options, required={"url", "signing_secret"}, optional=RANDOM_OPTIONS)
        target = permitted(rotation.options["url"], self._allowed)
        return target, _key(await self._read_secret(rotation.options["signing_secret"]))

    async def _tell(self, rotation: Rotation, step: str, credential: str, *, again: bool = False) -> None:
        target, key = await self._prepared(rotation)
        message = f"{rotation.run_id}.{uuid4() if again else step}"
        data = {"secret": str(rotation.name), "run": str(rotation.run_id), "fence": rotation.fence}
        body = json.dumps({"type": f"rotation.{step}", "data": {**data, "credential": credential}}).encode()
        headers = {"content-type": "application/json", **signature(key, message, int(time.time()), body)}
        await self._post(target, headers, body)

    async def _post(self, target: SplitResult, headers: dict[str, str], body: bytes) -> None:
        resolver = None if _origin(target) in self._allowed else PublicAddresses()
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(
                        resolver=resolver, ssl=ssl.create_default_context(), force_close=True
                    ),
                    timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
                    trust_env=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                ) as session,
                session.post(target.geturl(), data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status  # nothing of the answer's body is read
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise RotationFailed(f"The webhook at {target.hostname} gave no answer ({type(error).__name__}).") from None
        if not 200 <= status < 300:
            raise RotationFailed(f"The webhook at {target.hostname} answered {status}, not 2xx; redirects are refused.")


class PublicAddresses(AbstractResolver):
    """Looks a host up once, and lets a connection be made to public addresses of it only, and to no others."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            OSError: it has none, or one that is not public.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses: list[tuple[socket.AddressFamily, str]] = [(each[0], str(each[4][0])) for each in found]
        if not addresses or not all(public(address) for _, address in addresses):
            raise OSError("not a public address")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in addresses
        ]

    async def close(self) -> None:
        """Nothing is kept."""


def public(address: str) -> bool:
    """Whether an IP address is one of the public internet's."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return public(str(parsed.ipv4_mapped))
        if any(parsed in network for network in _DETOURS):
            return False
    return parsed.is_global and not parsed.is_multicast


def permitted(url: str, allowed: Collection[str]) -> SplitResult:
    """Return the parts of a URL that a message may be sent to.

    Raises:
        InvalidInput: it is no such URL.
    """
    try:
        parts = urlsplit(url)
        origin = _origin(parts)
    except ValueError:
        raise _refused("is no URL") from None
    if not url.isascii() or not url.isprintable() or set(url) & set(" \\#"):
        raise _refused("holds characters that a URL to call cannot have")
    if parts.username is not None or parts.password is not None:
        raise _refused("holds a credential; the signature says who calls")
    if origin in allowed:
        return parts
    host = parts.hostname or ""
    if parts.scheme != "https" or parts.port not in (None, 443) or not _HOST.fullmatch(host):
        raise _refused("is not https://host/… on port 443")
    if host.rpartition(".")[2].isdigit() and not public(host):
        raise _refused("is not a public address")
    return parts


def signature(key: bytes, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a signed message, as Standard Webhooks 1.0 has them."""
    signed = hmac.digest(key, f"{message}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _key(text: str) -> bytes:
    found = _KEY.fullmatch(text.strip())
    try:
        key = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        key = b""
    if len(key) < _SHORTEST_KEY:
        raise InvalidInput(
            f"The secret that 'signing_secret' names must be whsec_ and {_SHORTEST_KEY} or more bytes in base64.",
            field="rotation_policy.options.signing_secret",
        )
    return key


def _origin(parts: SplitResult) -> str:
    port = parts.port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual: Any = {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + ("" if port in (None, usual) else f":{port}")


def _refused(why: str) -> InvalidInput:
    return InvalidInput(
        f"The rotation option 'url' {why}. Other targets are allowed by their origin in HOLDFAST_WEBHOOK_TARGETS.",
        field="rotation_policy.options.url",
    )
