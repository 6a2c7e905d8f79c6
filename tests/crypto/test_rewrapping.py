"""Data keys under one ring key after another: the value stays what it is, and where it belongs."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.domain.secret import SecretValue
from holdfast.errors import IntegrityFailure, KeyUnavailable
from tests.crypto.support import FIRST_KEY, SECOND_KEY, a_place

THIRD_KEY = base64.b64encode(bytes(range(150, 182))).decode()
KEYS = (FIRST_KEY, SECOND_KEY, THIRD_KEY)
IDS = tuple(KeyRing.from_settings(key).sealing for key in KEYS)


@given(
    value=st.text(st.characters(codec="utf-8")),
    steps=st.lists(st.integers(0, 2), min_size=1, max_size=6),
    blob=st.binary(max_size=64),
)
def test_i16_and_i8_whatever_keys_seal_in_turn_the_last_one_alone_opens(
    value: str, steps: list[int], blob: bytes
) -> None:
    ring = KeyRing.from_settings(FIRST_KEY, KEYS[1:])
    envelope = Envelope(ring)
    sealed, sealed_blob = envelope.seal(a_place(), SecretValue(value)), envelope.seal_bytes("p", b"c", blob)
    token = envelope.attest(b"facts")
    for step in steps:
        ring.seal_with(IDS[step])
        key_id, wrapped = envelope.rewrap(sealed.key_id, sealed.wrapped_key)
        sealed = replace(sealed, key_id=key_id, wrapped_key=wrapped)
        sealed_blob = envelope.seal_bytes("p", b"c", envelope.open_bytes("p", b"c", sealed_blob))
        token = envelope.attest(b"facts")
    last = Envelope(KeyRing.from_settings(KEYS[steps[-1]]))
    assert last.open(a_place(), sealed).reveal() == value
    assert last.open_bytes("p", b"c", sealed_blob) == blob
    last.verify(b"facts", token)
    with pytest.raises(IntegrityFailure):
        last.open(replace(a_place(), version=99), sealed)
    with pytest.raises(KeyUnavailable):
        Envelope(KeyRing.from_settings(KEYS[(steps[-1] + 1) % 3])).open(a_place(), sealed)


@given(at=st.integers(0, 39), bit=st.integers(0, 7))
def test_i8_a_wrapped_key_that_was_changed_is_not_wrapped_anew(at: int, bit: int) -> None:
    envelope = Envelope(KeyRing.from_settings(FIRST_KEY))
    sealed = envelope.seal(a_place(), SecretValue("v"))
    changed = bytearray(sealed.wrapped_key)
    changed[at] ^= 1 << bit
    with pytest.raises(IntegrityFailure):
        envelope.rewrap(sealed.key_id, bytes(changed))


def test_i16_seals_are_counted_by_the_key_that_made_them() -> None:
    ring = KeyRing.from_settings(FIRST_KEY, [SECOND_KEY])
    envelope = Envelope(ring)
    envelope.seal(a_place(), SecretValue("v"))
    ring.seal_with(IDS[1])
    envelope.seal_bytes("p", b"c", b"x")
    assert ring.sealed == {IDS[0]: 1, IDS[1]: 1}
