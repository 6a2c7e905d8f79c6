"""What a federated token says of itself, unchecked: for people who compare it with a federated credential."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from holdfast.domain.claims import unproven_claims

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
    """Return the claims of a token; of one that has none that can be read, empty ones."""
    body = unproven_claims(token)
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
