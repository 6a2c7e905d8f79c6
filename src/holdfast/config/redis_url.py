"""Addresses of Redis, as the driver takes them."""

import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl

_AZURE: Final = re.compile(r"(?P<place>[a-z0-9.-]+:[0-9]{1,5}),(?:[^,]*,)*password=", re.IGNORECASE | re.ASCII)
"""A connection string as Azure's portal shows it, which is StackExchange.Redis's: ``host:6380,password=…,ssl=True``."""

_GROUPS: Final = re.compile(r"rediss?[+-](?:sentinel|cluster)://|sentinels?://", re.IGNORECASE)
_DATABASE: Final = re.compile(r"/?[0-9]{0,5}", re.ASCII)

_TLS: Final = frozenset({"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"})
_CHECKED: Final = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
_TAKEN: Final = _TLS | {"db"}


def check_form(raw: str) -> None:
    """Refuse what other drivers take, with what to write here.

    Raises:
        ValueError: the text completes "NAME …", and repeats no password.
    """
    if found := _AZURE.match(raw):
        raise ValueError(
            f"is a connection string for .NET: write rediss://:ACCESS-KEY@{found['place']}, and in the key %2B for +, "
            "%2F for / and %3D for =."
        )
    if _GROUPS.match(raw) or "," in raw.partition("://")[2].partition("/")[0].rpartition("@")[2]:
        raise ValueError(
            "names a Sentinel, a Cluster or several hosts, which are not spoken here: name the one address that leads "
            "to the primary, such as a proxy or the DNS name of the service."
        )


def check_options(url: SplitResult) -> None:
    """Refuse a database and parameters that the driver would pass over, or that would take any certificate.

    Raises:
        ValueError: as above.
    """
    if url.scheme != "unix" and not _DATABASE.fullmatch(url.path):
        raise ValueError("has a database that is not a number: the first one is /0.")
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name not in _TAKEN:
            raise ValueError(f"has the parameter {name[:40]!r}, which is not known here: leave it out.")
        if name in _TLS and url.scheme != "rediss":
            raise ValueError(f"has the parameter {name!r} of TLS, which takes rediss://.")
        if _CHECKED.get(name, value.lower()) != value.lower():
            raise ValueError(f"has {name!r} with a value that takes any server for yours: leave it out.")
        if name == "db" and not value.isdecimal():
            raise ValueError("has a 'db' that is not a number.")
