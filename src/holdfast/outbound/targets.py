"""Where messages may go: to public addresses over HTTPS, and to origins that the operator allowed by name."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", re.ASCII)

_UNICAST: Final = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out for use on the public internet (RFC 4291 2.4)."""

_SPECIAL: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
            *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
            *(
                "64:ff9b::/96",
                "64:ff9b:1::/48",
                "100::/64",
                "100:0:0:1::/64",
                "2001::/23",
                "2001:db8::/32",
                "2002::/16",
            ),
            *("2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10"),
        ),
    )
)
"""IANA's registries of special-purpose addresses, IPv4 and IPv6 (RFC 6890), whatever each line says of its reach: no
receiver of messages lives there, and some lead on to private addresses (6to4, NAT64, Teredo)."""

_PLATFORM: Final = frozenset(map(ipaddress.ip_address, ("168.63.129.16",)))
"""Public by number, and in every virtual machine of Azure the platform itself, which hands out credentials there."""


def permitted(url: str, allowed: Collection[str]) -> SplitResult:
    """Return the parts of a URL that a message may be sent to.

    Raises:
        ValueError: it is no such URL; the text says why, as the rest of a sentence.
    """
    try:
        parts = urlsplit(url)
        origin = origin_of(parts)
    except ValueError:
        raise ValueError("is no URL") from None
    if not url.isascii() or not url.isprintable() or set(url) & set(" \\#"):
        raise ValueError("holds characters that a URL to call cannot have")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a credential; the signature says who calls")
    if origin in allowed:
        return parts
    host = parts.hostname or ""
    if parts.scheme != "https" or parts.port not in (None, 443) or not _HOST.fullmatch(host):
        raise ValueError("is not https://host/… on port 443")
    if host.rpartition(".")[2].isdigit() and not public(host):
        raise ValueError("is not a public address")
    return parts


def named(url: str, allowed: Collection[str]) -> SplitResult:
    """Return the parts of a URL at one of the ``allowed`` origins: for messages that not every public host may get.

    Raises:
        ValueError: it is no such URL; the text says why, as the rest of a sentence.
    """
    parts = permitted(url, allowed)
    if origin_of(parts) not in allowed:
        raise ValueError("is at no origin that is allowed")
    return parts


def origin_of(parts: SplitResult) -> str:
    """Return the origin of a URL, without the port that its scheme has anyway."""
    port = parts.port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual: Any = {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + ("" if port in (None, usual) else f":{port}")


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
        if parsed not in _UNICAST:
            return False
    if parsed in _PLATFORM or any(parsed in network for network in _SPECIAL):
        return False
    return parsed.is_global and not parsed.is_multicast
