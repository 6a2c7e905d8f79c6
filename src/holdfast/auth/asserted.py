"""What a client asks for by an assertion, and why it is refused."""

import enum
from dataclasses import dataclass, field

from holdfast.errors import Unauthenticated


class Why(enum.IntEnum):
    """Why an assertion is refused, by Entra ID's number, as in its public list of AADSTS codes."""

    MALFORMED = 50027
    UNTRUSTED = 50013
    """No trusted issuer signed it, it is not valid now, or it was shown before from elsewhere."""
    NO_MATCH = 70021
    """No federated credential has its issuer, subject and audience."""
    CERTIFICATE = 700027
    """No registered certificate signed it."""
    TIMES = 700024
    """The client signed it for another time, or for too long."""
    APPLICATION = 700021
    """The client signed it for another client."""
    AUDIENCE = 700023
    """The client signed it for another token endpoint."""


class AssertionRefused(Unauthenticated):
    """An assertion that lets no one in; the text is for the record, and holds no part of it."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertedLogin:
    """What a client asks the token endpoint for, at ``host``. ``endpoints``: all that the endpoint is called there.

    There are none where the host may be another server's.
    """

    client_id: str
    assertion: str = field(repr=False)
    resource: str
    host: str
    endpoints: frozenset[str]
    ip_address: str | None
