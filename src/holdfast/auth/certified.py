"""Assertions that a client signs itself, with the key of a certificate that was registered for it (RFC 7523, 3).

The thumbprint finds the certificate, and nothing else in the header is believed: no key, chain or address of one.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from holdfast.auth.asserted import AssertedLogin, AssertionRefused, Why
from holdfast.auth.limiter import source_of
from holdfast.crypto.assertion_certificates import AssertionCertificate, stored_certificate
from holdfast.crypto.assertions import Assertion
from holdfast.domain.assertions import MAX_CERTIFIED_LIFETIME, ClientCredential, CredentialKind
from holdfast.ports import AssertionUse

UNKNOWN_NAME: Final = (
    "The server was called by a name that is neither below HOLDFAST_RESOURCE nor in its certificate or "
    "HOLDFAST_TLS_HOSTS: an assertion for such a name may be one for another server."
)

LEEWAY: Final = timedelta(seconds=30)
"""How far the clock of a client may be off."""

MAX_ID: Final = 256
"""Characters of ``jti``; Microsoft's libraries write a GUID."""


def certified(
    login: AssertedLogin, assertion: Assertion, credentials: Sequence[ClientCredential], now: datetime
) -> tuple[ClientCredential, AssertionUse]:
    """Return the credential whose certificate signed an assertion, and the use that is to be noted of it.

    Raises:
        AssertionRefused: none has, it has expired, or the assertion is not for this client, endpoint and time.
    """
    credential, certificate = _named(assertion, credentials)
    if not certificate.signed(assertion):
        raise AssertionRefused(Why.CERTIFICATE, "The registered certificate did not sign the assertion.")
    if not certificate.is_valid_at(now):
        raise AssertionRefused(Why.CERTIFICATE, f"The certificate of credential {credential.name} is not valid now.")
    if any(assertion.claims.get(claim) != login.client_id for claim in ("iss", "sub")):
        raise AssertionRefused(Why.APPLICATION, "The assertion is for another client.")
    if not login.endpoints:
        raise AssertionRefused(Why.AUDIENCE, UNKNOWN_NAME)
    if _only_audience(assertion) not in login.endpoints:
        raise AssertionRefused(Why.AUDIENCE, "The assertion is for another token endpoint.")
    return credential, _use(login, assertion, _checked_end(assertion, now))


def _named(
    assertion: Assertion, credentials: Sequence[ClientCredential]
) -> tuple[ClientCredential, AssertionCertificate]:
    for credential in credentials:
        if credential.kind is CredentialKind.CERTIFICATE:
            certificate = stored_certificate(credential.certificate)
            if certificate is not None and certificate.is_named_by(assertion):
                return credential, certificate
    raise AssertionRefused(Why.CERTIFICATE, "The assertion names no certificate that is registered for the client.")


def _only_audience(assertion: Assertion) -> str:
    given = assertion.claims.get("aud")
    named = given if isinstance(given, list) else [given]
    # The port that https has by itself may be written out.
    return named[0].replace(":443/", "/", 1) if len(named) == 1 and isinstance(named[0], str) else ""


def _checked_end(assertion: Assertion, now: datetime) -> datetime:
    """The end of an assertion that is good now, and was made for a short while."""
    leeway_s, now_s = LEEWAY.total_seconds(), now.timestamp()
    ends, begins = _moment(assertion, "exp"), [_moment(assertion, each) for each in ("nbf", "iat")]
    starts = [each for each in begins if each is not None] or [now_s]
    if ends is None or ends <= now_s - leeway_s:
        raise AssertionRefused(Why.TIMES, "The assertion has expired, or does not say when it does.")
    if max(starts) > now_s + leeway_s:
        raise AssertionRefused(Why.TIMES, "The assertion is not valid yet; compare the clocks.")
    if ends - min(starts) > MAX_CERTIFIED_LIFETIME.total_seconds() + leeway_s:
        raise AssertionRefused(Why.TIMES, f"The assertion is good for more than {MAX_CERTIFIED_LIFETIME}.")
    return datetime.fromtimestamp(ends, UTC)


def _moment(assertion: Assertion, claim: str) -> float | None:
    """Seconds since 1970; MSAL for Python writes fractions of them (RFC 7519, 2). None: the claim is not there."""
    value = assertion.claims.get(claim)
    if value is None:
        return None
    if type(value) not in {int, float} or not 0 <= value < 1 << 40:
        raise AssertionRefused(Why.TIMES, f"The assertion's {claim} is not a moment.")
    return float(value)


def _use(login: AssertedLogin, assertion: Assertion, ends_at: datetime) -> AssertionUse:
    key = assertion.claims.get("jti")
    if not isinstance(key, str) or not 0 < len(key) <= MAX_ID:
        raise AssertionRefused(Why.UNTRUSTED, "The assertion has no id of its own (jti).")
    return AssertionUse(
        client_id=login.client_id,
        id_hash=hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest(),
        hash=hashlib.sha256(assertion.text.encode()).digest(),
        source=source_of(login.ip_address),
        ends_at=ends_at + LEEWAY,
    )
