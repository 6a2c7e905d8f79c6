"""Connection URIs of PostgreSQL as libpq has them (34.1.1.3), in the form that the driver takes."""

import re
from collections.abc import Mapping, Set
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlencode, urlsplit, urlunsplit

_SCHEMES: Final = ("postgresql://", "postgres://")

_TAKEN: Final = frozenset(
    {
        *("host", "port", "dbname", "user", "password", "passfile", "service", "servicefile"),
        *("sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "krbsrvname", "gsslib"),
        *("application_name", "options"),
    }
)
"""Parameters that the driver knows, and the two that it sends to the server, which knows them."""

_DROPPED: Final[Mapping[str, Set[str]]] = {
    **dict.fromkeys(("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"), frozenset()),
    **dict.fromkeys(("tcp_user_timeout", "fallback_application_name", "sslsni"), frozenset()),
    "channel_binding": {"disable", "prefer"},
    "gssencmode": {"disable", "prefer"},
    "sslcompression": {"0"},
    "sslcertmode": {"allow", "disable"},
    "load_balance_hosts": {"disable"},
    "client_encoding": {"auto", "utf8", "utf-8"},
    "replication": {"false", "off", "no", "0"},
}
"""Parameters that are left out, and with which values: those that ask for nothing that would be missed. No values: any.
How long the node waits for a server is its own decision, so that probes of idle connections add nothing."""

_SECONDS: Final = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def for_driver(url: str) -> tuple[str, float | None]:
    """Return a connection URI without what the driver does not take, and the patience for connecting, in seconds.

    Raises:
        ValueError: it is none, or asks for what the driver cannot give. The text completes "NAME …", names the
            parameter, and repeats no value.
    """
    if not url.startswith(_SCHEMES):
        raise ValueError("must begin with postgresql:// or postgres://.")
    front, asked, query = url.partition("?")
    kept, patience = list[str](), None
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        name, text = unquote(name), unquote(value)
        if name == "connect_timeout":
            patience = _patience(text)
        elif _is_taken(name, text):
            kept.append(f"{name}={value.replace('+', '%2B')}")  # a plus is a plus to libpq, but a blank to the driver
    return front + asked * bool(kept) + "&".join(kept), patience


def _patience(text: str) -> float | None:
    if not _SECONDS.fullmatch(text):
        raise ValueError("has a 'connect_timeout' that is no whole number of seconds.")
    return float(text) if int(text) > 0 else None


def _is_taken(name: str, value: str) -> bool:
    if name in _TAKEN:
        return True
    harmless = _DROPPED.get(name)
    if harmless is None:
        raise ValueError(f"has the parameter {name[:40]!r}, which is not known here: leave it out.")
    if harmless and value.lower() not in harmless:
        raise ValueError(
            f"has the parameter {name!r} with a value that cannot be kept here: leave it out, or use one of "
            f"{', '.join(sorted(harmless))}."
        )
    return False


def each_host(url: str) -> list[tuple[str, str]]:
    """Return every host of a connection URI that names several, with a URI for it alone."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if hosts:
        return [(host, urlunsplit(_alone(parts)._replace(netloc=f"{user}{at}{host}"))) for host in hosts.split(",")]
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    names, ports = query.get("host", "").split(","), query.get("port", "5432").split(",")
    return [
        (name, urlunsplit(_alone(parts, host=name, port=port)))
        for name, port in zip(names, ports * len(names) if len(ports) == 1 else ports, strict=False)
    ]


def _alone(url: SplitResult, **more: str) -> SplitResult:
    """The address without what says which of several hosts is wanted."""
    kept = {name: values[-1] for name, values in parse_qs(url.query).items() if name != "target_session_attrs"}
    return url._replace(query=urlencode({**kept, **more}))
