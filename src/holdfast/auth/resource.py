"""The resource a server names in its challenge: the only audience whose tokens it takes.

Azure's SDKs check by default that the request's host ends with "." and the resource's host, ports included. So a
server under ``v.kv.example`` with the configured resource ``https://kv.example`` works unchanged; one that is reached
under any other address names that very address, and its clients turn the check off.

A token whose audience is Azure's is not ours to issue or to take, unless the settings say that Azure's names lead here.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from holdfast.config.azure_names import is_azures

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_HOST: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_.-]{0,252})|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)


@lru_cache(maxsize=64)
def canonical_host(header: str) -> str | None:
    """Return a Host header in lower case without the default port, or None when it is not a host."""
    host = header.lower()
    return host.removesuffix(":443") if _HOST.fullmatch(host) and _is_read(host) else None


def _is_read(host: str) -> bool:
    """Whether what stands in brackets, if anything does, is an address: nothing that reads a URL takes another."""
    if not host.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(host[1:].partition("]")[0])
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Audience:
    """Decides which resource a server is.

    ``parent``: the configured ``https://domain[:port]``, if any. ``names``: what this server's certificate is for, in
    lower case, ``*.`` for any one label.
    """

    parent: str | None = None
    names: frozenset[str] = frozenset()

    def resource_of(self, host: str) -> str | None:
        """Return the resource for a canonical host, or None for one that can only be Azure's."""
        return _resource_of(self.parent, host)

    def is_own(self, host: str) -> bool:
        """Whether a canonical host is this server for certain, and not for what a request says alone.

        Whoever forwards what was meant for another server sends that one's name as well.
        """
        name = _name_of(host)
        parent = None if self.parent is None else _name_of(_netloc(self.parent))
        below = parent is not None and f".{name}".endswith(f".{parent}")
        return below or bool({name, f"*.{name.partition('.')[2]}"} & {*self.names, *LOOPBACK})

    def asked_for(self, resource: str, host: str) -> str | None:
        """Return the audience of a token for ``resource`` from a token endpoint at ``host``; None: there is none.

        Some clients ask for the address that they call, as they do at Azure's resource manager: it stands for the
        resource that a server is under it.
        """
        configured = None if self.parent is None else f"https://{_netloc(self.parent)}"
        own = self.resource_of(host)
        if resource in {configured, own} - {None}:
            return resource
        return own if resource == f"https://{host}" else None


@lru_cache(maxsize=64)
def _resource_of(parent: str | None, host: str) -> str | None:
    if parent is not None and host.endswith("." + _netloc(parent)):
        return f"https://{_netloc(parent)}"
    return None if is_azures(_name_of(host)) else f"https://{host}"


def _name_of(host: str) -> str:
    return urlsplit(f"https://{host}").hostname or ""


def _netloc(url: str) -> str:
    return urlsplit(url).netloc.lower().removesuffix(":443")
