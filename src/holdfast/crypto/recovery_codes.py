"""Recovery codes: 125 random bits each, written as 25 characters that people can copy from paper.

The alphabet is Crockford's base 32, without letters that look like digits. What is kept is the SHA-256; see
``crypto/credentials.py`` for why one hash is enough.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 25
_GROUP: Final = 5
_LOOK_ALIKES: Final = str.maketrans("OIL", "011", "- ")
_LONGEST_INPUT: Final = 64
_PURPOSE: Final = b"holdfast recovery code\0"


def new_recovery_code() -> str:
    """Return a new code, in groups of five characters."""
    characters = "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))
    return "-".join(characters[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def hash_recovery_code(code: object) -> bytes | None:
    """Return what a code is kept as, however it was written; None for what cannot be one."""
    if not isinstance(code, str) or len(code) > _LONGEST_INPUT or not code.isascii():
        return None
    plain = code.upper().translate(_LOOK_ALIKES)
    if len(plain) != _LENGTH or not set(plain) <= set(ALPHABET):
        return None
    return hashlib.sha256(_PURPOSE + plain.encode()).digest()


def matching_codes(presented: Sequence[object], kept: Sequence[bytes]) -> frozenset[int]:
    """Return the numbers, from 1 on, of the kept hashes whose codes are presented; in constant time."""
    hashes = [hash_recovery_code(code) or b"" for code in presented]
    return frozenset(
        number
        for number, each in enumerate(kept, 1)
        if sum([hmac.compare_digest(each, one) for one in hashes])  # all of them, whichever is right
    )
