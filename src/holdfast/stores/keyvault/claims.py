"""What a federated token says of itself, unchecked: for people who compare it with a federated credential."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

_SHOWN: Final = 200
_NONE: Final = "(none)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The three that Entra ID compares, as text that may be shown, and when the token ends."""

    issuer: str = _NONE
    subject: str = _NONE
    audience: str = _NONE
    expires_at: datetime | None = None


def claims_of(token: str) -> Claims:
    """Return the claims of a JSON Web Token (RFC 7519); of one that has none that can be read, empty ones."""
    payload = token.split(".")[1] if "." in token else ""
    try:
        body = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return Claims()
    if not isinstance(body, dict):
        return Claims()
    return Claims(
        issuer=_shown(body.get("iss")),
        subject=_shown(body.get("sub")),
        audience=_shown(body.get("aud")),
        expires_at=_time(body.get("exp")),
    )


def _shown(claim: Any) -> str:
    found = [each for each in (claim if isinstance(claim, list) else [claim]) if isinstance(each, str)]
    text = ", ".join(found)[:_SHOWN]
    return text if text.isprintable() and text else _NONE


def _time(claim: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(claim, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
