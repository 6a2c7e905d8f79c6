"""Known answers: proof that the ring holds the very keys a database was sealed with, before anything is written.

+--------+----------------------------+
| format | answer                     |
| 1 byte | 32 bytes                   |
| 0x01   | HKDF(key, "known answer")  |
+--------+----------------------------+
"""

import hmac
from collections.abc import Mapping
from typing import Final

from holdfast.crypto.keyring import OPENING_SETTING, PRIMARY_SETTING, KeyRing
from holdfast.errors import KeyUnavailable, StartupError

_FORMAT: Final = b"\x01"


def known_answer(ring: KeyRing, key_id: str) -> bytes:
    """Return what only the key of this id can answer; it reveals nothing about the key.

    Raises:
        KeyUnavailable: the ring has no such key.
    """
    return _FORMAT + ring.key(key_id).subkey("known answer")


def check_known_answers(ring: KeyRing, stored: Mapping[str, bytes]) -> None:
    """Compare the ring with the answers, by key id, that a database keeps for every key that sealed something in it.

    Raises:
        StartupError: a key is missing from the ring, or is another one than it was.
    """
    for key_id, answer in stored.items():
        try:
            expected = known_answer(ring, key_id)
        except KeyUnavailable:
            raise StartupError(
                f"This database holds values sealed with the key {key_id}, and the ring holds only "
                f"{', '.join(ring.ids)} (fingerprints). Put the missing key into {PRIMARY_SETTING}, or into "
                f"{OPENING_SETTING} if another one shall seal from now on. Nothing was written."
            ) from None
        if not hmac.compare_digest(expected, answer):
            raise StartupError(
                f"The known answer stored for the key {key_id} is not the one this key gives: the database row was "
                f"changed, or belongs to another key. Restore the table of keys from a backup. Nothing was written."
            )
