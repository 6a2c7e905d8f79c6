"""Which requests go through a proxy."""

import base64
import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

from holdfast.stores.keyvault.access import Access

_USUAL_PORT: Final = {"https": 443, "http": 80}


class Proxies:
    """The proxy of an access, for the requests that are to go through it.

    ``addresses``: of the vault and its token endpoint. They go through the proxy wherever they are; anything else on
    this machine or its link is the endpoint of a managed identity, which answers to this machine alone.
    """

    def __init__(self, access: Access, *addresses: str | None) -> None:
        self._no_proxy = access.no_proxy
        self._own = {_place(address) for address in addresses if address}
        self._given = _parted(access.proxy) if access.proxy else None

    def options(self, url: str) -> dict[str, Any]:
        """Return the arguments of aiohttp that send a request through the proxy; none where it goes directly.

        Credentials of the proxy are a header of the tunnel's request, so that no error can quote them.
        """
        if self._given is None or not self._is_for(url):
            return {}
        return self._given

    def _is_for(self, url: str) -> bool:
        host, port = _place(url)
        if urlsplit(url).scheme != "https" or ((host, port) not in self._own and _is_near(host)):
            return False
        return not is_exempt(host, port, self._no_proxy)


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether ``NO_PROXY`` names a host: by name, by a domain above it, by address or network, or by ``*``."""
    entries = [entry.removeprefix("*.") for entry in re.split(r"[,\s]+", no_proxy) if entry]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return (
        "*" in entries
        or bool(proxy_bypass_environment(place, {"no": ",".join(entries)}))
        or any(_address(host) in network for network in _networks(entries))
    )


def _networks(entries: list[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for entry in entries:
        try:
            yield ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:  # a name
            continue


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_near(host: str) -> bool:
    address = _address(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_link_local


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url if "//" in url else f"//{url}", scheme="https")
    return parts.hostname or "", parts.port or _USUAL_PORT.get(parts.scheme, 443)


def _parted(proxy: str) -> dict[str, Any]:
    parts = urlsplit(proxy)
    credentials, _, host = parts.netloc.rpartition("@")
    address = f"{parts.scheme}://{host}"
    if not credentials:
        return {"proxy": address}
    pair = credentials if ":" in credentials else f"{credentials}:"  # RFC 7617, 2
    encoded = base64.b64encode(unquote(pair).encode()).decode()
    return {"proxy": address, "proxy_headers": {"Proxy-Authorization": f"Basic {encoded}"}}
