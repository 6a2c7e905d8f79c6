"""From the text of an environment variable to its value.

Every parser raises ``ValueError`` whose text completes "NAME …", names the limit and never repeats the text:
any variable may hold a secret, be it by mistake.
"""

import ipaddress
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from holdfast.config.libpq import for_node
from holdfast.config.redis_url import check_form, check_options
from holdfast.domain.names import canonical_pattern
from holdfast.errors import InvalidInput
from holdfast.resilience.ownership import OTHERS_WRITE, changed_by_others, open_file
from holdfast.resilience.windows import WINDOWS

_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:\*\.)?[0-9a-z_](?:[0-9a-z_-]*[0-9a-z])?(?:\.[0-9a-z_-]+)*", re.IGNORECASE | re.ASCII
)
_VAULT_NAME: Final = re.compile(r"(?=.{3,24}\Z)[a-z][0-9a-z]*(?:-[0-9a-z]+)*", re.IGNORECASE | re.ASCII)
_API_VERSION: Final = re.compile(
    r"(?:[0-9]{1,2}\.[0-9]{1,2}|[0-9]{4}-[0-9]{2}-[0-9]{2})(?:-preview(?:\.[0-9]+)?)?", re.ASCII
)
_TENANT: Final = re.compile(r"[0-9A-Za-z.-]{1,253}", re.ASCII)
_OTHERS_READ: Final = 0o004
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_PORT: Final = re.compile(r"(?:.*[^:\]]|.*\]):([^:\]]*)\Z", re.DOTALL)
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_ISSUER_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)


def text(raw: str) -> str:
    """Any printable ASCII without spaces: identifiers and credentials."""
    if not raw.isascii() or not raw.isprintable() or " " in raw:
        raise ValueError("must be printable ASCII characters without spaces.")
    return raw


def password(raw: str) -> str:
    """Any printable text."""
    if not raw.isprintable():
        raise ValueError("must be printable characters.")
    return raw


def tenant(raw: str) -> str:
    """A tenant of Microsoft Entra ID: its id, or one of its domains."""
    if not _TENANT.fullmatch(raw):
        raise ValueError("must be a tenant's id or one of its domains.")
    return raw


def issuer_name(raw: str) -> str:
    """Return the name of a trusted issuer."""
    if not _ISSUER_NAME.fullmatch(raw):
        raise ValueError("must be 1 to 31 of a-z, 0-9 and -, and begin with a letter.")
    return raw


def scrape_token(raw: str) -> str:
    """A token too long to guess."""
    if not 32 <= len(text(raw)) <= 256:
        raise ValueError("must be 32 to 256 characters, such as `openssl rand -hex 32` prints.")
    return raw


def number(low: int, high: int, unit: str = "") -> Callable[[str], int]:
    """A whole number within bounds, both included."""

    def parse(raw: str) -> int:
        if not _NUMBER.fullmatch(raw) or not low <= int(raw) <= high:
            raise ValueError(f"must be a whole number{unit} from {low} to {high}.")
        return int(raw)

    return parse


def seconds(low: int, high: int) -> Callable[[str], timedelta]:
    """A duration in whole seconds within bounds, both included."""
    parse = number(low, high, " of seconds")
    return lambda raw: timedelta(seconds=parse(raw))


def leases(low: int, high: int) -> Callable[[str], tuple[tuple[str, timedelta], ...]]:
    """Durations in whole seconds by name or glob: ``payments-*=5,public-*=900``."""
    duration = seconds(low, high)

    def parse(raw: str) -> tuple[tuple[str, timedelta], ...]:
        pairs = [part.strip().partition("=") for part in raw.split(",")]
        try:
            patterns = [canonical_pattern(pattern) for pattern, equals, _ in pairs if equals]
        except InvalidInput:
            patterns = []
        if len(patterns) < len(pairs):
            raise ValueError("must be NAME=SECONDS or PATTERN=SECONDS, separated by commas.")
        found = tuple(zip(patterns, (duration(given) for _, _, given in pairs), strict=True))
        if len(dict(found)) < len(found):
            raise ValueError("gives one pattern twice.")
        return found

    return parse


def days(low: int, high: int) -> Callable[[str], timedelta]:
    """A duration in whole days within bounds, both included."""
    parse = number(low, high, " of days")
    return lambda raw: timedelta(days=parse(raw))


def milliseconds(low: int, high: int) -> Callable[[str], timedelta]:
    """A duration in whole milliseconds within bounds, both included."""
    parse = number(low, high, " of milliseconds")
    return lambda raw: timedelta(milliseconds=parse(raw))


def boolean(raw: str) -> bool:
    """``true`` or ``false``, in the spellings people use."""
    if raw.lower() not in _BOOLEANS:
        raise ValueError("must be true or false.")
    return _BOOLEANS[raw.lower()]


def choice(*options: str) -> Callable[[str], str]:
    """One of some words, in any case."""

    def parse(raw: str) -> str:
        if raw.lower() not in options:
            raise ValueError(
                f"must be one of {', '.join(options)}." if options[1:] else f"must be {options[0]}, or unset."
            )
        return raw.lower()

    return parse


def folder(raw: str) -> Path:
    """An absolute path; ``~`` is the home folder. Nothing needs to be there yet."""
    path = _path(raw)
    if _is_there(path) and not path.is_dir():
        raise ValueError("must name a folder; something else is there.")
    return path


def file(raw: str) -> Path:
    """An absolute path to a file that exists and can be read, and that no one else may change."""
    path = shown_file(raw)
    if changed_by_others(path):
        raise ValueError(
            "must name a file that only this user, or root, may change: see whose it, its folder and its links are."
        )
    return path


def shown_file(raw: str) -> Path:
    """The same of another account's: a server's folder shows its CA to everybody on the machine."""
    path = _path(raw)
    if _opened(path).st_mode & OTHERS_WRITE and not WINDOWS:
        raise ValueError("must name a file that others may not write: `chmod go-w` it, once you know that it is yours.")
    return path


def private_file(raw: str) -> Path:
    """The same of a file with a secret, which the group may read but no one else."""
    path = file(raw)
    if _opened(path).st_mode & _OTHERS_READ and not WINDOWS:
        raise ValueError("must name a file that others may not read: `chmod o-r` it.")
    return path


def key_file(raw: str) -> Path:
    """An absolute path to a file of keys, whose owner and mode are judged when it is read; `keys add` may make it."""
    path = _path(raw)
    if _is_there(path):
        _opened(path)
    return path


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise ValueError(f"names a place that cannot be looked at ({error.strerror}).") from None


def _opened(path: Path) -> os.stat_result:
    try:
        with open_file(path) as opened:
            return os.fstat(opened.fileno())
    except OSError as error:
        raise ValueError(f"must name a readable file ({error.strerror}).") from None


def _path(raw: str) -> Path:
    if "\0" in raw:
        raise ValueError("must be a path without NUL characters.")
    try:
        path = Path(raw).expanduser()
    except RuntimeError:
        raise ValueError("must be an absolute path; that home folder is not known.") from None
    if not path.is_absolute():
        raise ValueError("must be an absolute path, so that it means the same wherever Holdfast is started.")
    return path


def key(raw: str) -> str:
    """An AES-256 key in base64, checked by the rule of the key ring."""
    from holdfast.crypto.keyring import parse_key  # noqa: PLC0415 - spares the settings' list in `--help` a slow import

    try:
        parse_key(raw)
    except InvalidInput as fault:
        raise ValueError(str(fault)) from None
    return raw


def keys(raw: str) -> tuple[str, ...]:
    """Several such keys, separated by commas."""
    return tuple(key(part.strip()) for part in raw.split(","))


def vault_name(raw: str) -> str:
    """The name of a key vault, by Azure's naming rules."""
    if not _VAULT_NAME.fullmatch(raw):
        raise ValueError(
            "must be 3 to 24 letters, digits and single hyphens, begin with a letter and not end with a hyphen; "
            "for an address, use AZURE_KEYVAULT_URL."
        )
    return raw.lower()


def host(raw: str) -> str:
    """A host name or an IP address, without a port."""
    if not _HOST_NAME.fullmatch(raw) and not _is_address(raw):
        raise ValueError("must be a host name or an IP address, without scheme and port.")
    return raw


def hosts(raw: str) -> tuple[str, ...]:
    """Several of them, separated by commas."""
    return tuple(host(part.strip()) for part in raw.split(","))


def origin(raw: str) -> str:
    """``https://host[:port]`` and nothing more; returned without a trailing slash."""
    url = _split(raw)
    if url is None or url.scheme != "https" or not url.hostname:
        raise ValueError("must be an address that begins with https://.")
    if "@" in url.netloc:
        raise ValueError("must not contain a user name or password.")
    if url.path not in ("", "/") or "?" in raw or "#" in raw:
        raise ValueError("must be https://host or https://host:port, without a path.")
    _check_ports(url.netloc)
    host(url.hostname)
    return f"https://{url.netloc.lower()}"


def targets(raw: str) -> tuple[str, ...]:
    """Origins that begin with https:// or http://, separated by commas."""
    return tuple(_target(part.strip()) for part in raw.split(","))


def _target(raw: str) -> str:
    url = _split(raw)
    if url is None or url.scheme not in {"https", "http"} or not url.hostname or "@" in url.netloc:
        raise ValueError("must be https://host or http://host, with a port if need be, separated by commas.")
    if url.path not in ("", "/") or "?" in raw or "#" in raw:
        raise ValueError("must be https://host or https://host:port, without a path.")
    _check_ports(url.netloc)
    host(url.hostname)
    usual = f":{443 if url.scheme == 'https' else 80}"
    return f"{url.scheme}://{url.netloc.lower().removesuffix(usual)}"


def authority(raw: str) -> str:
    """An origin; the scheme may be missing, as in the Azure SDK's own constants."""
    return origin(raw if "://" in raw else f"https://{raw}")


def anything(raw: str) -> str:
    """A variable that other programs read as well: it is judged only where Holdfast comes to use it."""
    return raw


def proxy(raw: str) -> str:
    """``http://[user:password@]host[:port]``, ``https://…``, or ``none``; the scheme may be missing, as with curl."""
    url = _split(raw if "://" in raw else f"http://{raw}")
    if raw.lower() == "none":
        return "none"
    if url is None or url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("must be http://[user:password@]host[:port] or https://…, or none; SOCKS is not spoken.")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("must be http://host:port without a path; write / and @ in a password as %2F and %40.")
    _check_ports(url.netloc.rpartition("@")[2])
    host(url.hostname)
    return url.geturl().removesuffix("/")


def api_version(raw: str) -> str:
    """A version of Key Vault's REST API: ``7.4``, or a date such as ``2025-07-01``."""
    if not _API_VERSION.fullmatch(raw):
        raise ValueError("must be a version of Key Vault's REST API, such as 7.4 or 2025-07-01.")
    return raw


def places(raw: str) -> tuple[str, ...]:
    """Places that lines can be sent to, separated by commas."""
    return tuple(_place(part.strip()) for part in raw.split(","))


def _place(raw: str) -> str:
    kind, _, rest = raw.partition(":")
    if raw == "stdout":
        return raw
    if kind in {"file", "syslog+unix"}:
        return f"{kind}:{_path(rest)}"
    url = _split(raw)
    if url is None or kind not in {"syslog", "syslog+tcp", "https", "http"} or not url.hostname:
        raise ValueError(
            "must be file:/path, stdout, syslog://host:port, syslog+tcp://host:port, syslog+unix:/path or https://…."
        )
    if kind == "http" and url.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("must use https:// for a webhook that is not on this machine.")
    if "@" in url.netloc:
        raise ValueError("must not contain a user name or password.")
    _check_ports(url.netloc)
    return raw


def database_url(raw: str) -> str:
    """A PostgreSQL connection URI (libpq, section 34.1.1.3); it may name several hosts, or leave all to ``PG*``."""
    url = _split(raw)
    if url is None:
        raise ValueError("must be an address that begins with postgresql:// or postgres://.")
    for_node(raw)
    _check_ports(url.netloc.rpartition("@")[2])
    return raw


def redis_url(raw: str) -> str:
    """A Redis URL; ``rediss`` is TLS."""
    check_form(raw)
    url = _split(raw)
    if url is None or url.scheme not in {"redis", "rediss", "unix"} or not (url.netloc or url.path or url.query):
        raise ValueError("must be an address that begins with redis:// or rediss:// or unix://.")
    _check_ports(url.netloc.rpartition("@")[2])
    check_options(url)
    return raw


def _split(raw: str) -> SplitResult | None:
    try:
        return urlsplit(raw) if raw.isprintable() and " " not in raw else None
    except ValueError:  # brackets that hold no IPv6 address
        return None


def _check_ports(netloc: str) -> None:
    check = number(1, 65535)
    for part in netloc.split(","):
        port = _PORT.fullmatch(part)
        if port:
            try:
                check(port[1])
            except ValueError:
                raise ValueError("has a port that is not a whole number from 1 to 65535.") from None


def _is_address(raw: str) -> bool:
    try:
        ipaddress.ip_address(raw)
    except ValueError:
        return False
    return True
