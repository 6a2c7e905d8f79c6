"""Sealed values, and the places they belong to."""

from dataclasses import dataclass
from uuid import UUID

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a ciphertext belongs. It opens nowhere else: every field is associated data."""

    incarnation: UUID
    name: SecretName
    version: int
    version_id: str
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedValue:
    """A value under its own data key (AES-256-GCM), and that key wrapped by the ring's key ``key_id``."""

    key_id: str
    wrapped_key: bytes
    iv: bytes
    ciphertext: bytes
    auth_tag: bytes
