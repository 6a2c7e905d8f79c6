"""What MySQL and MariaDB keep of a password: made here, so that no password is ever in a statement."""

import hashlib
import hmac
import re
import secrets
import string
from typing import Final

_SALT: Final = 20
"""Characters, as MySQL has it (``CACHING_SHA2_PASSWORD_DIGEST``)."""

_ROUNDS: Final = 5000
"""As MySQL 8 has it; the passwords have 190 random bits. Newer ones make 10,000, and take these."""

_KEPT: Final = re.compile(rb"\$A\$([0-9A-Fa-f]{3})\$(.{20})(.{43})", re.DOTALL)
"""Thousands of rounds in hex, salt, digest."""

_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ORDER: Final = ((0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14), (15, 25, 5), (6, 16, 26))
_ORDER_TOO: Final = ((27, 7, 17), (18, 28, 8), (9, 19, 29))
"""Of the digest's bytes, as SHA-crypt writes them."""


def native_hash(password: str) -> str:
    """Of ``mysql_native_password``, MariaDB's usual one."""
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def caching_hash(password: str) -> str:
    """Of ``caching_sha2_password``, MySQL's usual one."""
    salt = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(_SALT))
    return f"$A${_ROUNDS // 1000:03X}${salt}{_sha_crypt(password.encode(), salt.encode(), _ROUNDS)}"


def is_caching_hash_of(kept: bytes, password: str) -> bool:
    """Whether that is what MySQL keeps of a password."""
    found = _KEPT.fullmatch(kept)
    if found is None:
        return False
    thousands, salt, digest = found.groups()
    return hmac.compare_digest(digest, _sha_crypt(password.encode(), salt, 1000 * int(thousands, 16)).encode())


def _sha_crypt(password: bytes, salt: bytes, rounds: int) -> str:
    """SHA-crypt with SHA-256 (Drepper, "Unix crypt using SHA-256 and SHA-512"), but for the length of the salt."""
    other = hashlib.sha256(password + salt + password).digest()
    mixed = hashlib.sha256(password + salt + _stretched(other, len(password)))
    bits = len(password)
    while bits:
        mixed.update(other if bits & 1 else password)
        bits >>= 1
    digest = mixed.digest()
    passwords = _stretched(hashlib.sha256(password * len(password)).digest(), len(password))
    salts = _stretched(hashlib.sha256(salt * (16 + digest[0])).digest(), len(salt))
    for number in range(rounds):
        turn = hashlib.sha256(passwords if number & 1 else digest)
        turn.update(salts if number % 3 else b"")
        turn.update(passwords if number % 7 else b"")
        turn.update(digest if number & 1 else passwords)
        digest = turn.digest()
    return _written(digest)


def _stretched(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def _written(digest: bytes) -> str:
    groups = [(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in (*_ORDER, *_ORDER_TOO)]
    groups.append((digest[31] << 8 | digest[30], 3))
    return "".join(_ALPHABET[value >> 6 * place & 63] for value, count in groups for place in range(count))
