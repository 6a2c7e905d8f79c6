"""A request as the endpoint sees it, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from holdfast import identity_wire as wire
from holdfast.errors import HoldfastError, InvalidInput, Throttled, Unauthenticated


@dataclass(frozen=True, slots=True)
class Request:
    """A request without a body. ``headers``: names in lower case, as often as each came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for given, value in self.headers if given == name]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body of JSON and further headers."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(HoldfastError):
    """A request is refused by the endpoint itself. ``error``: in the words of IMDS and OAuth2."""

    code = "refused"

    def __init__(self, status: int, error: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.error, self.headers = status, error, headers or {}


def refusal(error: HoldfastError) -> Answer:
    """Return the answer that an error becomes."""
    shown = error if isinstance(error, Refused) else _shown(error)
    body = wire.refusal(shown.status, shown.error, str(shown), str(uuid4()))
    return Answer(shown.status, body, shown.headers)


def _shown(error: HoldfastError) -> Refused:
    if isinstance(error, Unauthenticated):
        return Refused(401, "unauthorized_client", str(error))
    if isinstance(error, Throttled):
        return Refused(429, "temporarily_unavailable", str(error), _later(error.retry_after_s))
    if isinstance(error, InvalidInput):
        return Refused(400, "invalid_request", str(error))
    return Refused(503, "temporarily_unavailable", str(error), _later(None))


def _later(seconds: float | None) -> Mapping[str, str]:
    return {"Retry-After": str(max(1, round(seconds or 2)))}
