"""Which operation a method and a path ask for.

Routing goes by method and number of segments, because ``restore``, ``backup`` and ``versions`` are legal secret names.
Clients in use end a path with a slash to mean the latest version, and old ones double the first slash.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_to_bytes

from holdfast.domain.names import canonical_name, canonical_version_id
from holdfast.errors import HoldfastError


class Operation(enum.StrEnum):
    """The operations on secrets that Key Vault's REST API defines."""

    SET = "set"
    GET = "get"
    UPDATE = "update"
    LIST = "list"
    LIST_VERSIONS = "list-versions"
    DELETE = "delete"
    LIST_DELETED = "list-deleted"
    GET_DELETED = "get-deleted"
    RECOVER = "recover"
    PURGE = "purge"
    BACKUP = "backup"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Route:
    """An operation and what it is about. ``name`` keeps the client's casing; no ``version`` means the latest."""

    operation: Operation
    name: str = ""
    version: str | None = None


class NoSuchPath(HoldfastError):
    """The path leads nowhere in this API."""

    code = "no_such_path"


class SecretsOnly(HoldfastError):
    """The path is one of Key Vault's for keys, certificates or storage accounts, which are not served here."""

    code = "secrets_only"


class MethodNotAllowed(HoldfastError):
    """The path exists, the method does not. ``allowed``: those that do."""

    code = "method_not_allowed"

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"HTTP {method} not allowed")
        self.allowed = allowed


_Table = Mapping[str, Operation]

_SECRETS: Final[_Table] = MappingProxyType({"GET": Operation.LIST})
_SECRET: Final[_Table] = MappingProxyType(
    {"GET": Operation.GET, "PUT": Operation.SET, "PATCH": Operation.UPDATE, "DELETE": Operation.DELETE}
)
_VERSION: Final[_Table] = MappingProxyType({"GET": Operation.GET, "PATCH": Operation.UPDATE})
_VERSIONS: Final[_Table] = MappingProxyType({"GET": Operation.LIST_VERSIONS})
_BACKUP: Final[_Table] = MappingProxyType({"POST": Operation.BACKUP})
_RESTORE: Final[_Table] = MappingProxyType({"POST": Operation.RESTORE})
_DELETED: Final[_Table] = MappingProxyType({"GET": Operation.LIST_DELETED})
_DELETED_SECRET: Final[_Table] = MappingProxyType({"GET": Operation.GET_DELETED, "DELETE": Operation.PURGE})
_RECOVER: Final[_Table] = MappingProxyType({"POST": Operation.RECOVER})

_OTHER_KINDS: Final = frozenset(
    {"keys", "deletedkeys", "certificates", "deletedcertificates", "storage", "deletedstorage", "rng"}
)
"""First segments of Key Vault's other paths. Not 404 there: clients take that for "no such key", and make one."""

_PINNED: Final = re.compile(rb"(/+secrets/[0-9a-z-]{1,127})%2f([0-9a-f]{32}/?)", re.IGNORECASE)
"""``NAME/VERSION`` given as the name, as Ansible's lookup does: Azure's SDKs encode its slash."""

COLLECTIONS: Final = _OTHER_KINDS | {"secrets", "deletedsecrets"}
"""Every first segment of Key Vault's paths, in lower case."""


def route(method: str, raw_path: bytes) -> Route:
    """Return what ``method`` on a percent-encoded path asks for.

    Raises:
        NoSuchPath: the path is not one of this API's.
        SecretsOnly: it is for what is no secret.
        MethodNotAllowed: the path is, the method is not.
        InvalidInput: the path holds an impossible secret name or version.
    """
    pinned = _PINNED.fullmatch(raw_path) if method == "GET" else None
    segments = _segments(b"/".join(pinned.groups()) if pinned else raw_path)
    collection, rest = segments[0].lower(), segments[1:]
    if collection == "secrets" and len(rest) <= 2:
        return _secrets(method, rest)
    if collection == "deletedsecrets" and len(rest) <= 2:
        return _deleted(method, rest)
    if collection in _OTHER_KINDS:
        raise SecretsOnly(
            f"This vault holds secrets only: nothing is served at /{collection}. "
            "Ask the Key Vault itself for keys and certificates."
        )
    raise NoSuchPath(
        "There is nothing at this path; secrets are at /secrets and /deletedsecrets, our own API at /v1/docs."
    )


def _segments(raw_path: bytes) -> list[str]:
    # Split before decoding: any other encoded slash belongs to a name and makes it invalid; it never moves a border.
    segments = [unquote_to_bytes(part).decode("utf-8", "replace") for part in raw_path.lstrip(b"/").split(b"/")]
    if len(segments) > 1 and not segments[-1]:
        segments.pop()
    return segments


def _secrets(method: str, rest: list[str]) -> Route:
    if not rest:
        return Route(_choose(_SECRETS, method))
    name, version = rest[0], rest[1] if len(rest) > 1 else None
    if version is None:
        if method == "POST" and name.lower() == "restore":
            return Route(_choose(_RESTORE, method))
        return _named(_choose(_SECRET, method), name)
    if method == "POST" and version.lower() == "backup":
        return _named(_choose(_BACKUP, method), name)
    if version.lower() == "versions":
        return _named(_choose(_VERSIONS, method), name)
    return _named(_choose(_VERSION, method), name, canonical_version_id(version))


def _deleted(method: str, rest: list[str]) -> Route:
    if not rest:
        return Route(_choose(_DELETED, method))
    if len(rest) == 1:
        return _named(_choose(_DELETED_SECRET, method), rest[0])
    if rest[1].lower() == "recover":
        return _named(_choose(_RECOVER, method), rest[0])
    raise NoSuchPath("A deleted secret can be read, recovered (POST …/recover) or purged (DELETE).")


def _choose(table: _Table, method: str) -> Operation:
    operation = table.get(method)
    if operation is None:
        raise MethodNotAllowed(method, tuple(table))
    return operation


def _named(operation: Operation, name: str, version: str | None = None) -> Route:
    canonical_name(name)
    return Route(operation, name, version)
