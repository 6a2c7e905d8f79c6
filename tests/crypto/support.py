"""Keys and places for the tests of this folder."""

import base64
from datetime import UTC, datetime
from uuid import UUID

from holdfast.crypto.keyring import KeyRing
from holdfast.domain.names import SecretName
from holdfast.domain.sealed import Place
from holdfast.domain.secret import Attributes

FIRST_KEY = base64.b64encode(bytes(range(32))).decode()
SECOND_KEY = base64.b64encode(bytes(range(32, 64))).decode()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def first_ring() -> KeyRing:
    return KeyRing.from_settings(FIRST_KEY)


def rotated_ring() -> KeyRing:
    """The second key seals; the first one only opens."""
    return KeyRing.from_settings(SECOND_KEY, [FIRST_KEY])


def foreign_ring() -> KeyRing:
    return KeyRing.from_settings(SECOND_KEY)


def a_place() -> Place:
    return Place(
        incarnation=UUID("6f0b3c1e-28a7-4a7e-9a0e-0c1d2e3f4a5b"),
        name=SecretName("stripe-api-key"),
        version=3,
        version_id="0123456789abcdef0123456789abcdef",
        attributes=Attributes(
            not_before=datetime(2026, 1, 1, tzinfo=UTC),
            expires_at=datetime(2027, 1, 1, 12, 30, 0, 123456, tzinfo=UTC),
            content_type="text/plain",
            tags={"team": "payments", "env": "prod"},
        ),
    )
