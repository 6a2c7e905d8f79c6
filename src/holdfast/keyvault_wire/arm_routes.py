"""What a request asks of Azure's resource manager, as far as clients of Key Vault ask it anything.

Names in its paths are compared without case, as its documentation says of all of them.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from holdfast.errors import HoldfastError
from holdfast.keyvault_wire.query import query_fields
from holdfast.keyvault_wire.routes import MethodNotAllowed

VAULT_TYPE: Final = "Microsoft.KeyVault/vaults"
"""The type of a vault among Azure's resources."""


class Question(enum.StrEnum):
    """What `az`, Terraform's provider and Azure's SDKs ask before, or next to, their work with secrets."""

    ENDPOINTS = "endpoints"
    TENANTS = "tenants"
    SUBSCRIPTIONS = "subscriptions"
    SUBSCRIPTION = "subscription"
    RESOURCES = "resources"
    VAULTS = "vaults"
    VAULT = "vault"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what it is about, in lower case; None where that is everything.

    ``kind``: a type of resources that alone is wanted.
    """

    question: Question
    api_version: str
    subscription: str | None = None
    group: str | None = None
    vault: str | None = None
    kind: str | None = None


class ArmRefusal(HoldfastError):
    """A refusal in the resource manager's own words. ``arm_code``: what it calls it."""

    code = "arm"

    def __init__(self, status: HTTPStatus, arm_code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.arm_code = status, arm_code


_SUBSCRIPTION: Final = "subscriptions/{subscription}"
_GROUP: Final = f"{_SUBSCRIPTION}/resourcegroups/{{group}}"
_VAULTS: Final = f"providers/{VAULT_TYPE.lower()}"

PATHS: Final[Mapping[str, Question]] = MappingProxyType(
    {
        "metadata/endpoints": Question.ENDPOINTS,
        "tenants": Question.TENANTS,
        "subscriptions": Question.SUBSCRIPTIONS,
        _SUBSCRIPTION: Question.SUBSCRIPTION,
        f"{_SUBSCRIPTION}/resources": Question.RESOURCES,
        f"{_SUBSCRIPTION}/{_VAULTS}": Question.VAULTS,
        f"{_GROUP}/{_VAULTS}": Question.VAULTS,
        f"{_GROUP}/{_VAULTS}/{{vault}}": Question.VAULT,
    }
)
"""All paths, in lower case."""

_PATTERNS: Final = tuple(
    (re.compile("/+" + re.sub(r"{(\w+)}", r"(?P<\1>[0-9a-z._()-]{1,90})", path) + "/?", re.ASCII), question)
    for path, question in PATHS.items()
)
_OWN: Final = re.compile(rb"/+(?:subscriptions|tenants|metadata/endpoints)(?:/.*)?", re.IGNORECASE | re.DOTALL)
_OPEN: Final = re.compile(rb"/+metadata/endpoints/?", re.IGNORECASE)
_API_VERSION: Final = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9](-preview)?", re.ASCII)
_CLAUSE: Final = re.compile(r"(resourceType|name) eq '([^']{1,256})'", re.ASCII | re.IGNORECASE)


def is_of_arm(raw_path: bytes) -> bool:
    """Whether a percent-encoded path is the resource manager's."""
    return _OWN.fullmatch(raw_path) is not None


def is_open(raw_path: bytes) -> bool:
    """Whether it is that of the one document which clients read before they have a token."""
    return _OPEN.fullmatch(raw_path) is not None


def asked(method: str, raw_path: bytes, query: bytes) -> Asked:
    """Return what a request asks.

    Raises:
        ArmRefusal: nothing is at this path, or the query is not one of the resource manager's.
        MethodNotAllowed: it is to change something.
        InvalidInput: the query string has too many fields, or two values for one.
    """
    path = raw_path.decode("latin-1").lower()
    found = next(((match, each) for pattern, each in _PATTERNS if (match := pattern.fullmatch(path))), None)
    if found is None:
        raise ArmRefusal(
            HTTPStatus.NOT_FOUND,
            "NotFound",
            "This resource manager knows one subscription and one vault, for clients that look these up, and no more.",
        )
    if method != "GET":
        raise MethodNotAllowed(method, ("GET",))
    match, question = found
    fields = query_fields(query)
    wanted = _filter(fields.get("$filter"))
    about = {"vault": wanted.get("name"), **match.groupdict()}
    return Asked(question, _api_version(fields.get("api-version")), **about, kind=wanted.get("resourcetype"))


def _api_version(given: str | None) -> str:
    if not given:
        raise ArmRefusal(
            HTTPStatus.BAD_REQUEST,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not _API_VERSION.fullmatch(given):
        raise ArmRefusal(
            HTTPStatus.BAD_REQUEST,
            "InvalidApiVersionParameter",
            "The api-version is invalid: it is a date, as 2022-09-01.",
        )
    return given


def _filter(given: str | None) -> dict[str, str]:
    """What an OData filter narrows a listing to."""
    clauses = [_CLAUSE.fullmatch(each.strip()) for each in given.split(" and ")] if given else []
    wanted = {each[1].lower(): each[2].lower() for each in clauses if each}
    if len(wanted) < len(clauses):
        raise ArmRefusal(
            HTTPStatus.BAD_REQUEST,
            "InvalidFilterInQueryString",
            f"$filter may be: resourceType eq '{VAULT_TYPE}' and name eq 'NAME'.",
        )
    return wanted
