"""Connection URIs of PostgreSQL as libpq has them (34.1.1.3), in the form that the driver takes."""

import configparser
import os
import re
import ssl
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit, urlunsplit

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
    **dict.fromkeys(("tcp_user_timeout", "fallback_application_name", "sslsni", "load_balance_hosts"), frozenset()),
    **dict.fromkeys(("gssdelegation", "sslcompression", "requiressl", "replication"), frozenset({"0"})),
    "channel_binding": {"disable", "prefer"},
    "gssencmode": {"disable", "prefer"},
    "sslcertmode": {"allow", "disable"},
    "client_encoding": {"auto", "utf8", "utf-8"},
    "min_protocol_version": {"3.0"},
    "max_protocol_version": {"3.0", "3.2", "latest"},
}
"""Parameters that are left out, and with which values: those that ask for nothing that would be missed. No values: any.
Probes of idle connections add nothing to the node's own patience, and all its hosts but the primary are passed over."""

_REFUSED: Final = {
    "channel_binding": "use sslmode=verify-full with sslrootcert=… (or system), which keeps others out of the way too",
    "require_auth": "let pg_hba.conf at the server demand the method",
    "hostaddr": "write the address in the place of the host",
    "gssencmode": "use TLS: sslmode=verify-full",
    "sslcrldir": "name one file, sslcrl=…",
}
"""Parameters that ask for what the driver cannot do, and what to write instead."""

_ENVIRONMENT: Final = {
    "PGCONNECT_TIMEOUT": "connect_timeout",
    "PGOPTIONS": "options",
    "PGCHANNELBINDING": "channel_binding",
    "PGGSSENCMODE": "gssencmode",
    "PGREQUIREAUTH": "require_auth",
    "PGHOSTADDR": "hostaddr",
    "PGSSLCRLDIR": "sslcrldir",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLMODE": "sslmode",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
}
"""Variables that the driver does not read, and those of which a value has to be put into its words (libpq, 34.15)."""

_TLS: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_PRIMARY: Final = {"any": "read-write", "": "read-write"}
_WRITABLE: Final = frozenset({"read-write", "primary"})

_SECONDS: Final = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def for_driver(url: str) -> tuple[str, float | None]:
    """Return a connection URI without what the driver does not take, and the patience for connecting, in seconds.

    Raises:
        ValueError: it is none, or asks for what the driver cannot give. The text completes "NAME …", names the
            parameter, and repeats no value.
    """
    front, query = _parts(url)
    return _driven(front, query)


def for_node(url: str, environ: Mapping[str, str] | None = None, *, verified: bool = False) -> str:
    """Return the connection URI of an installation's database, which has to be the primary, for the driver.

    libpq's variables (34.15) and its connection service file (34.17) count as they do for ``psql``. How long a node
    waits for a server is its own decision.

    ``verified``: the server has to prove its name, to the certificate authorities of this machine unless others are
    named: it is sent what would let it pass for us elsewhere.

    Raises:
        ValueError: as above.
    """
    environ = os.environ if environ is None else environ
    front, query = _parts(url)
    given = {name: environ[variable] for variable, name in _ENVIRONMENT.items() if environ.get(variable)}
    query = {**given, **_service(query, environ), **query}
    query = {name: value for name, value in query.items() if name not in {"service", "servicefile"}}
    if verified:
        query = _verified(query, _hosts(front, query, environ))
    wanted = query.get("target_session_attrs", "")
    if _PRIMARY.get(wanted, wanted) not in _WRITABLE:
        raise ValueError("has a 'target_session_attrs' that leads to standbys: leave it out, Holdfast has to write.")
    if _has_several_hosts(front, query, environ) or wanted:
        query["target_session_attrs"] = _PRIMARY.get(wanted, wanted)
    return _driven(front, query)[0]


def _verified(query: Mapping[str, str], hosts: Iterable[str]) -> dict[str, str]:
    if not all(host and not host.startswith(("/", "@")) for host in map(unquote, hosts)):
        raise ValueError("has to name a host before a token is sent there: nothing proves who is behind a socket.")
    if query.get("sslmode", "verify-full") != "verify-full" or "ssl" in query:
        raise ValueError(
            "has to prove the server's name before a token is sent there: write sslmode=verify-full, with "
            "sslrootcert=… or the certificate authorities of this machine."
        )
    return {"sslrootcert": "system", **query, "sslmode": "verify-full"}


def _parts(url: str) -> tuple[str, dict[str, str]]:
    if not url.startswith(_SCHEMES):
        raise ValueError("must begin with postgresql:// or postgres://, without a driver's name.")
    front, _, query = url.partition("?")
    pairs = (part.partition("=") for part in query.split("&") if part)
    return front, {unquote(name): unquote(value) for name, _, value in pairs}


def _driven(front: str, query: Mapping[str, str]) -> tuple[str, float | None]:
    query, patience = _translated(query), None
    if (text := query.pop("connect_timeout", None)) is not None:
        patience = _patience(text)
    kept = {name: value for name, value in query.items() if _is_taken(name, value)}
    return front + "?" * bool(kept) + urlencode(kept, quote_via=quote), patience


def _translated(query: Mapping[str, str]) -> dict[str, str]:
    """Say in the driver's words what libpq has others for: ``ssl`` of JDBC, and the certificates of the system."""
    found = dict(query)
    if (tls := found.pop("ssl", None)) is not None:
        found.setdefault("sslmode", {"true": "require", "false": "disable"}.get(tls.lower(), tls))
    if found.get("sslrootcert") == "system":
        if found.setdefault("sslmode", "verify-full") != "verify-full":
            raise ValueError("has sslrootcert=system, which takes sslmode=verify-full: write that.")
        found["sslrootcert"] = _system_certificates()
    _check_tls(found)
    return found


def _check_tls(query: Mapping[str, str]) -> None:
    mode, authorities = query.get("sslmode", "prefer"), query.get("sslrootcert")
    if mode not in _TLS:
        raise ValueError(f"has an 'sslmode' that is none of {', '.join(_TLS)}.")
    if authorities and mode not in {"disable", "allow", "prefer"} and not _is_file(authorities):
        raise ValueError("names a file in 'sslrootcert' that is not there.")


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:
        return False


def _system_certificates() -> str:
    path = ssl.get_default_verify_paths().cafile
    if path is None:
        raise ValueError("has sslrootcert=system, but this machine has no such file: name one, or set SSL_CERT_FILE.")
    return path


def _service(query: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What a service says: the driver reads of it, too, but only what it knows."""
    name = query.get("service") or environ.get("PGSERVICE")
    if not name:
        return {}
    home = environ.get("HOME")
    path = query.get("servicefile") or environ.get("PGSERVICEFILE") or (home and Path(home, ".pg_service.conf"))
    file = configparser.ConfigParser(interpolation=None)
    try:
        if path is None or not file.read(path) or name not in file:
            raise ValueError("names a service that is not in the connection service file: see PGSERVICEFILE.")
    except (configparser.Error, UnicodeDecodeError):
        raise ValueError("names a service, but the connection service file cannot be understood.") from None
    return dict(file.items(name))


def _hosts(front: str, query: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    named = front.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return (named or query.get("host") or environ.get("PGHOST", "")).split(",")


def _has_several_hosts(front: str, query: Mapping[str, str], environ: Mapping[str, str]) -> bool:
    hosts = _hosts(front, query, environ)
    if len(hosts) > 1 and "" in hosts:
        raise ValueError("names several hosts, and one of them is empty.")
    return len(hosts) > 1


def _patience(text: str) -> float | None:
    if not _SECONDS.fullmatch(text):
        raise ValueError("has a 'connect_timeout' that is no whole number of seconds.")
    return float(text) if int(text) > 0 else None


def _is_taken(name: str, value: str) -> bool:
    if name in _TAKEN:
        return True
    harmless = _DROPPED.get(name)
    if harmless is None or (harmless and value.lower() not in harmless):
        raise ValueError(_refusal(name, harmless))
    return False


def _refusal(name: str, harmless: Set[str] | None) -> str:
    known = f"has the parameter {name[:40]!r}"
    if name in _REFUSED:
        known += " with a value" * (harmless is not None)
        return f"{known}, which cannot be kept here: leave it out, and {_REFUSED[name]}."
    if harmless is None:
        return f"{known}, which is not known here: leave it out."
    return f"{known} with a value that cannot be kept here: leave it out, or use one of {', '.join(sorted(harmless))}."


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
