"""The key ring: what it takes, what it refuses, and that it never shows a key."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.keyring import KeyRing, RingKey, generate_key, parse_key
from holdfast.crypto.known_answer import check_known_answers, known_answer
from holdfast.errors import ConfigurationError, InvalidInput, KeyUnavailable, StartupError
from tests.crypto.support import FIRST_KEY, SECOND_KEY, first_ring, foreign_ring, rotated_ring

LABELS = ("wrap", "attest", "cache", "backup", "token", "known answer")


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_key_ids_and_subkeys_are_the_same_for_ever() -> None:
    key = first_ring().primary
    assert key.id == "d1cdf4d88eb0a4c8"
    assert key.subkey("wrap").hex() == "87a87342941b570bb18b5a6f19922cfb4c10ab32d3cac45d4a6eb0a632a3a0de"


def test_subkeys_differ_by_purpose_and_by_key() -> None:
    keys = [first_ring().primary, foreign_ring().primary]
    assert len({key.subkey(label) for key in keys for label in LABELS}) == len(keys) * len(LABELS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds 0 bytes"),
        ("not base64!", "not valid base64"),
        ("kéy", "not valid base64"),
        (FIRST_KEY[:-3], "not valid base64"),
        (encoded(bytes(range(16))), "holds 16 bytes"),
        (encoded(bytes(range(33))), "holds 33 bytes"),
        (encoded(bytes(32)), "not random"),
        (encoded(b"k" * 32), "not random"),
        (encoded(b"abcd" * 8), "not random"),
    ],
)
def test_an_unusable_key_is_refused_with_the_mend_and_without_the_key(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as refusal:
        parse_key(text)
    assert "openssl rand -base64 32" in str(refusal.value)
    assert not text or text not in str(refusal.value)


@given(st.binary(min_size=8, max_size=64).filter(lambda key: len(key) != 32).map(encoded))
def test_no_refusal_repeats_its_input(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse_key(text)
    assert text not in str(refusal.value)


def test_all_unusable_keys_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        KeyRing.from_settings("short", [SECOND_KEY, encoded(bytes(32))])
    first, second = refusal.value.faults
    assert first.startswith("FALLBACK_ENCRYPTION_KEY is not valid base64")
    assert second.startswith("HOLDFAST_DECRYPTION_KEYS (key 2) is not random")


def test_surrounding_white_space_is_no_part_of_a_key() -> None:
    assert parse_key(f" {FIRST_KEY}\n") == bytes(range(32))


def test_a_generated_key_is_accepted() -> None:
    assert KeyRing.from_settings(generate_key()).ids != KeyRing.from_settings(generate_key()).ids


def test_the_first_key_seals_and_every_key_is_found_by_its_id() -> None:
    ring = rotated_ring()
    assert ring.primary.id == foreign_ring().primary.id
    assert ring.ids == (foreign_ring().primary.id, first_ring().primary.id)
    assert ring.key(first_ring().primary.id).subkey("wrap") == first_ring().primary.subkey("wrap")


def test_a_key_given_twice_is_one_key() -> None:
    assert KeyRing.from_settings(FIRST_KEY, [FIRST_KEY]).ids == first_ring().ids


def test_an_unknown_key_is_unavailable_and_the_text_names_its_fingerprint() -> None:
    with pytest.raises(KeyUnavailable, match="HOLDFAST_DECRYPTION_KEYS") as refusal:
        first_ring().key(foreign_ring().primary.id)
    assert foreign_ring().primary.id in str(refusal.value)


def test_nothing_shows_a_key() -> None:
    key = RingKey(bytes(range(32)))
    assert repr(key) == str(key) == f"RingKey({key.id})"
    assert repr(first_ring()) == f"KeyRing({key.id})"


def test_known_answers_of_the_ring_are_accepted() -> None:
    old, new = first_ring(), rotated_ring()
    stored = {old.primary.id: known_answer(old, old.primary.id), new.primary.id: known_answer(new, new.primary.id)}
    check_known_answers(new, stored)
    check_known_answers(new, {})


def test_a_ring_without_the_stored_key_cannot_start() -> None:
    old, wrong = first_ring(), foreign_ring()
    with pytest.raises(StartupError, match="Nothing was written") as refusal:
        check_known_answers(wrong, {old.primary.id: known_answer(old, old.primary.id)})
    assert old.primary.id in str(refusal.value)
    assert wrong.primary.id in str(refusal.value)


@pytest.mark.parametrize("answer", [b"", bytes(33), known_answer(foreign_ring(), foreign_ring().primary.id)])
def test_a_wrong_known_answer_stops_the_start(answer: bytes) -> None:
    ring = first_ring()
    with pytest.raises(StartupError, match="known answer"):
        check_known_answers(ring, {ring.primary.id: answer})
