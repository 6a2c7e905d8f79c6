"""Client assertions at the token endpoint: the form's parameters, and what a refusal says."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from holdfast.auth.asserted import AssertedLogin, AssertionRefused, Why
from holdfast.web.exchange import Exchange

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523, 2.2."""

PARAMETERS: Final = ("client_assertion", "client_assertion_type")
STATUS: Final = HTTPStatus.UNAUTHORIZED

_ANSWERS: Final[Mapping[Why, str]] = {
    Why.MALFORMED: "The client assertion is not a signed JSON Web Token that can be read.",
    Why.UNTRUSTED: (
        "The client assertion does not hold: a trusted issuer must have signed it, it must be valid now, and one that "
        "the client signed is not to be shown from a second address."
    ),
    Why.CERTIFICATE: (
        "The client assertion is not signed by a certificate that is registered for this client, and valid now."
    ),
    Why.TIMES: "The client assertion is not valid now, or for too long; compare the clocks.",
    Why.APPLICATION: "The client assertion's issuer and subject must be the client_id.",
    Why.AUDIENCE: "The client assertion's audience must be this token endpoint, as its discovery document names it.",
    Why.NO_MATCH: (
        "No federated credential of this client has the issuer, the subject and the audience of the assertion. They "
        "are compared exactly; the record of this attempt says which one differs."
    ),
}


def is_asserted(form: Mapping[str, str]) -> bool:
    """Whether a client logs in by an assertion."""
    return any(name in form for name in PARAMETERS)


def fault_of(exchange: Exchange, form: Mapping[str, str]) -> str | None:
    """What is wrong with the parameters of an assertion; None: nothing."""
    if b"authorization" in exchange.headers or "client_secret" in form:
        return "Send a client secret or a client assertion, not both."
    if form.get("client_assertion_type") != JWT_BEARER:
        return f"client_assertion_type must be {JWT_BEARER}."
    if not form.get("client_id") or not form.get("client_assertion"):
        return "client_id and client_assertion are required."
    return None


def login_of(exchange: Exchange, form: Mapping[str, str], resource: str, endpoints: frozenset[str]) -> AssertedLogin:
    """Return what a client asks for, by a form without faults."""
    return AssertedLogin(
        client_id=form["client_id"],
        assertion=form["client_assertion"],
        resource=resource,
        host=exchange.host,
        endpoints=endpoints,
        ip_address=exchange.peer,
    )


def answer_to(refused: AssertionRefused) -> str:
    """What a client is told: nothing that depends on whether there is such a client."""
    return _ANSWERS[refused.why]
