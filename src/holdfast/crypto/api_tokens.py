"""API tokens: ``holdfast_``, 256 random bits in base62 (43 characters), and their CRC-32 in base62 (6 characters).

The checksum proves nothing: it lets scanners for leaked credentials tell our tokens from look-alikes, and a mistyped
one be refused without a search. What is kept is the SHA-256 of the whole text; see ``crypto/credentials.py`` for why
one hash is enough.
"""

import hashlib
import re
import secrets
import string
import zlib
from typing import Final

API_TOKEN_PREFIX: Final = "holdfast_"  # noqa: S105 - the shape of tokens, not one

API_TOKEN_PREFIXES: Final = (API_TOKEN_PREFIX, "hf_")
"""Tokens that were made under the second one, which others use as well, stay good."""

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH: Final = 43
"""The least n with 62^n >= 2^256."""

_CHECKSUM_LENGTH: Final = 6
_SHAPE: Final = re.compile(
    rf"(?:holdfast|hf)_([0-9A-Za-z]{{{_RANDOM_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})", re.ASCII
)


def new_api_token() -> str:
    """Return a new token; it is shown once and kept as a hash."""
    random = _base62(secrets.randbits(256), _RANDOM_LENGTH)
    return API_TOKEN_PREFIX + random + _checksum(random)


def hash_api_token(token: str) -> bytes:
    """Return the SHA-256 that a token is kept and found by."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_api_token(text: str) -> bool:
    """Whether a text has the shape and the checksum of a token."""
    parts = _SHAPE.fullmatch(text)
    return parts is not None and _checksum(parts[1]) == parts[2]


def _checksum(random: str) -> str:
    return _base62(zlib.crc32(random.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
