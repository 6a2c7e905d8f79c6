"""The protocol of a managed identity endpoint, as App Service has it: its "REST endpoint reference", both versions.

A program's environment says where the endpoint is and what to show it: ``IDENTITY_ENDPOINT`` and ``IDENTITY_HEADER``
(2019-08-01), or ``MSI_ENDPOINT`` and ``MSI_SECRET`` (2017-09-01). Nothing here does I/O.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from holdfast.errors import InvalidInput

FORMER: Final = "2017-09-01"
PRESENT: Final = "2019-08-01"
SECRET_HEADERS: Final = ("x-identity-header", "secret")
"""Where the secret is shown, in the present and the former version."""

PATH: Final = "/msi/token"

NO_SUCH_IDENTITY: Final = (
    "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
)
"""App Service's own words, which clients and people look for."""

_IDS: Final = {
    "client_id": "client_id",
    "clientid": "client_id",
    "object_id": "object_id",
    "principal_id": "object_id",
    "mi_res_id": "resource_id",
    "msi_res_id": "resource_id",
}
"""Names under which clients ask for one of several identities, in both versions."""

_MAX_FIELDS: Final = 16
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Question:
    """What a program asks for. ``identity``: kind and text of the id of the identity that it wants; None for any."""

    version: str
    resource: str
    identity: tuple[str, str] | None = None


def parse_question(query: bytes) -> Question:
    """Return what the query of a request asks for. Fields that are not known are overlooked, as App Service does.

    Raises:
        InvalidInput: no known ``api-version``, no ``resource``, a field that is given twice, or several identities.
    """
    fields = _fields(query)
    version = fields.get("api-version")
    if version not in {FORMER, PRESENT}:
        raise InvalidInput(f"api-version must be {PRESENT} or {FORMER}.", field="api-version")
    if not fields.get("resource"):
        raise InvalidInput("resource is required: the one that the token is for.", field="resource")
    named = {(kind, fields[name]) for name, kind in _IDS.items() if fields.get(name)}
    if len(named) > 1:
        raise InvalidInput("Ask for one identity: by client_id, object_id or mi_res_id.", field="client_id")
    return Question(version, fields["resource"], next(iter(named), None))


def _fields(query: bytes) -> dict[str, str]:
    pairs = _pairs(query)
    if pairs is None:
        raise InvalidInput("The query is not text in UTF-8, or has too many fields.", field="query")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidInput("A field of the query is given more than once.", field="query")
    return fields


def _pairs(query: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:  # its text may quote the query
        return None


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """A token for a program. Moments are whole seconds since 1970. Its ``repr`` does not show the token."""

    token: str
    resource: str
    client_id: str
    not_before: int
    expires_on: int


def answer(grant: Grant) -> bytes:
    """Return the body of the answer that holds a token.

    All members are texts, as documented. ``expires_on`` is in seconds in the former version too, though its reference
    has a date there: Azure's library for Python takes nothing else, go-autorest makes a wrong time of a date, Java's
    reads both.
    """
    return _encode(
        {
            "access_token": grant.token,
            "client_id": grant.client_id,
            "expires_on": str(grant.expires_on),
            "not_before": str(grant.not_before),
            "resource": grant.resource,
            "token_type": "Bearer",
        }
    )


def refusal(status: int, error: str, text: str, correlation_id: str) -> bytes:
    """Return the body of a refusal, with the members that each of Azure's libraries looks for in one."""
    return _encode(
        {
            "statusCode": status,
            "message": text,
            "error": error,
            "error_description": text,
            "correlationId": correlation_id,
        }
    )
