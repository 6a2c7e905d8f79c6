"""What a token that another has signed says of itself, when no signature is looked at."""

import base64
import json
from typing import Any

from holdfast.errors import UNREADABLE


def unproven_claims(token: str) -> dict[str, Any]:
    """Return the claims of a JSON Web Token (RFC 7519); of one that has none that can be read, none.

    They are good for showing to people, and of a token of our own. No one is let in by them.
    """
    payload = token.split(".")[1] if "." in token else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except UNREADABLE:
        return {}
    return claims if isinstance(claims, dict) else {}
