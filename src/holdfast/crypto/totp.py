"""Time-based one-time passwords (RFC 6238): six digits, a new one every 30 seconds, by SHA-1 as all apps have it."""

import hmac
import re
from datetime import datetime
from typing import Final

import pyotp

STEP_S: Final = 30
WINDOW: Final = 1
"""Steps before and after the present one that are taken: clocks differ, and people type."""

ISSUER: Final = "Holdfast"
_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)


def new_totp_secret() -> str:
    """Return a new secret: 160 random bits in base32 (RFC 4226, 4, R6)."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, identity: str) -> str:
    """Return what a person's app reads, mostly as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=identity, issuer_name=ISSUER)


def matching_counter(secret: str, code: object, now: datetime) -> int | None:
    """Return the counter whose code this is, or None.

    The counter is what must not be accepted twice: the same code in other characters is no code at all.
    """
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return None
    present, found = int(now.timestamp()) // STEP_S, None
    for counter in range(present - WINDOW, present + WINDOW + 1):
        if hmac.compare_digest(pyotp.TOTP(secret).generate_otp(counter), code):
            found = counter
    return found
