"""Sealed values and blobs: they open in their own place, and nowhere else."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from holdfast import ports
from holdfast.crypto import blobs
from holdfast.crypto.binding import bind_place, frame
from holdfast.crypto.blobs import BlobSealer
from holdfast.crypto.envelope import Envelope
from holdfast.domain.attributes import VaultFacts, dated
from holdfast.domain.names import SecretName
from holdfast.domain.sealed import Place, SealedValue
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import IntegrityFailure, InvalidInput, KeyUnavailable
from tests.crypto.support import NOW, a_place, first_ring, foreign_ring, rotated_ring

VECTORS = Path(__file__).parent.parent / "vectors" / "crypto"
ENVELOPE = Envelope(first_ring())
SECRET = SecretValue("sk_live_51H8")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
moments = st.none() | st.datetimes(timezones=st.sampled_from([NOW.tzinfo, timezone(timedelta(hours=-7))]))
attributes = st.builds(
    Attributes,
    enabled=st.booleans(),
    not_before=moments,
    expires_at=moments,
    content_type=st.none() | texts,
    tags=st.dictionaries(texts, texts, max_size=4),
)
beyond = st.integers(-(10**30), -62_135_596_801) | st.integers(253_402_300_800, 10**30)
attributes = attributes | st.builds(dated, attributes, nbf=st.none() | beyond, exp=st.none() | beyond)
places = st.builds(
    Place,
    incarnation=st.uuids(),
    name=st.from_regex(r"[0-9a-z-]{1,20}", fullmatch=True).map(SecretName),
    version=st.integers(1, 2**63),
    version_id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    attributes=attributes,
)

OTHER_ATTRIBUTES: dict[str, object] = {
    "enabled": False,
    "not_before": None,
    "expires_at": NOW,
    "content_type": None,
    "tags": {"team": "payments"},
    "not_before_seconds": dated(Attributes(), nbf=-(10**12), exp=None),
    "expires_at_seconds": dated(Attributes(), nbf=None, exp=10**12),
}
CARRIED = {"empty_tags", "vault"}
"""What is passed on, and decides nothing."""

OTHER_FACTS: dict[str, object] = {
    "incarnation": UUID(int=1),
    "name": SecretName("stripe-api-key2"),
    "version": 4,
    "version_id": "f" * 32,
    "attributes": Attributes(),
}


def other_place(field: str) -> Place:
    """A place that differs from ``a_place()`` in one field."""
    place = a_place()
    if isinstance(far := OTHER_ATTRIBUTES.get(field), Attributes):
        return replace(place, attributes=far)
    if field in OTHER_ATTRIBUTES:
        return replace(place, attributes=structs.replace(place.attributes, **{field: OTHER_ATTRIBUTES[field]}))
    return replace(place, **{field: OTHER_FACTS[field]})  # type: ignore[arg-type]  # likewise


def with_column(sealed: SealedValue, column: str, content: bytes | None) -> SealedValue:
    """A row with one column changed; None is what a damaged row may hold."""
    return replace(sealed, **{column: content})  # type: ignore[arg-type]  # the column is chosen at run time


def flip(content: bytes, bit: int) -> bytes:
    place, shift = divmod(bit % (len(content) * 8), 8)
    return content[:place] + bytes([content[place] ^ (1 << shift)]) + content[place + 1 :]


def test_is_a_sealer() -> None:
    def takes_a_sealer(sealer: ports.Sealer) -> ports.Sealer:
        return sealer

    assert takes_a_sealer(ENVELOPE) is ENVELOPE


@given(places, texts)
def test_opens_in_its_own_place(place: Place, text: str) -> None:
    assert ENVELOPE.open(place, ENVELOPE.seal(place, SecretValue(text))).reveal() == text


@given(places, places)
def test_i8_opens_in_no_other_place(place: Place, other: Place) -> None:
    sealed = ENVELOPE.seal(place, SECRET)
    if place != other:
        with pytest.raises(IntegrityFailure):
            ENVELOPE.open(other, sealed)


@pytest.mark.parametrize(
    "field", sorted({*(each.name for each in fields(Place)), *Attributes.__struct_fields__} - set(CARRIED))
)
def test_i8_every_field_of_the_place_counts(field: str) -> None:
    sealed = ENVELOPE.seal(a_place(), SECRET)
    with pytest.raises(IntegrityFailure):
        ENVELOPE.open(other_place(field), sealed)


def test_i8_a_number_counts_where_the_nearest_date_is_the_same() -> None:
    place, other = (replace(a_place(), attributes=dated(Attributes(), nbf=None, exp=exp)) for exp in (10**12, 10**13))
    assert place.attributes.expires_at == other.attributes.expires_at
    with pytest.raises(IntegrityFailure):
        ENVELOPE.open(other, ENVELOPE.seal(place, SECRET))


def test_what_is_only_carried_may_change_under_the_seal() -> None:
    place = a_place()
    told = structs.replace(place.attributes, vault=VaultFacts(managed=True, kid="k"))
    assert ENVELOPE.open(replace(place, attributes=told), ENVELOPE.seal(place, SECRET)).reveal() == SECRET.reveal()


def test_the_same_moment_in_another_zone_and_tags_in_another_order_are_the_same_place() -> None:
    place = a_place()
    expires_at = place.attributes.expires_at
    assert expires_at is not None
    same = structs.replace(
        place.attributes,
        expires_at=expires_at.astimezone(timezone(timedelta(hours=5, minutes=30))),
        tags=dict(sorted(place.attributes.tags.items())),
    )
    assert bind_place(replace(place, attributes=same)) == bind_place(place)


def test_i8_two_versions_cannot_be_swapped() -> None:
    first, second = a_place(), other_place("version")
    sealed = ENVELOPE.seal(first, SECRET), ENVELOPE.seal(second, SECRET)
    for place, wrong in ((first, sealed[1]), (second, sealed[0])):
        with pytest.raises(IntegrityFailure, match="'stripe-api-key', version"):
            ENVELOPE.open(place, wrong)


@given(st.sampled_from(["wrapped_key", "iv", "ciphertext", "auth_tag"]), st.integers(0, 2**16))
def test_i8_any_flipped_bit_fails(column: str, bit: int) -> None:
    sealed = ENVELOPE.seal(a_place(), SECRET)
    with pytest.raises(IntegrityFailure):
        ENVELOPE.open(a_place(), with_column(sealed, column, flip(getattr(sealed, column), bit)))


@pytest.mark.parametrize("column", ["wrapped_key", "iv", "ciphertext", "auth_tag"])
@pytest.mark.parametrize(
    "mangle", [lambda _: b"", lambda column: column[:-1], lambda column: column + b"\0", lambda _: None]
)
def test_i8_a_column_of_another_length_or_none_at_all_fails(
    column: str, mangle: Callable[[bytes], bytes | None]
) -> None:
    sealed = ENVELOPE.seal(a_place(), SECRET)
    with pytest.raises(IntegrityFailure) as failure:
        ENVELOPE.open(a_place(), with_column(sealed, column, mangle(getattr(sealed, column))))
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


@pytest.mark.parametrize("key_id", ["", "0" * 16, foreign_ring().primary.id, None])
def test_an_unknown_key_id_is_unavailable(key_id: str) -> None:
    with pytest.raises(KeyUnavailable):
        ENVELOPE.open(a_place(), replace(ENVELOPE.seal(a_place(), SECRET), key_id=key_id))


def test_i8_another_key_of_the_ring_is_not_tried() -> None:
    ring = rotated_ring()
    sealed = Envelope(ring).seal(a_place(), SECRET)
    with pytest.raises(IntegrityFailure):
        Envelope(ring).open(a_place(), replace(sealed, key_id=first_ring().primary.id))


def test_i16_a_rotated_ring_opens_what_the_old_one_sealed_and_seals_with_the_new_key() -> None:
    rotated = Envelope(rotated_ring())
    sealed = ENVELOPE.seal(a_place(), SECRET)
    assert rotated.open(a_place(), sealed).reveal() == SECRET.reveal()
    assert rotated.seal(a_place(), SECRET).key_id == foreign_ring().primary.id


def test_the_same_value_twice_is_sealed_differently() -> None:
    first, second = (ENVELOPE.seal(a_place(), SECRET) for _ in range(2))
    for column in ("wrapped_key", "iv", "ciphertext", "auth_tag"):
        assert getattr(first, column) != getattr(second, column)


def test_i13_a_value_that_is_not_text_is_refused_and_not_quoted() -> None:
    with pytest.raises(InvalidInput) as refusal:
        ENVELOPE.seal(a_place(), SecretValue("canary\ud800"))
    assert "canary" not in str(refusal.value)
    assert refusal.value.__context__ is None


@given(st.lists(st.none() | st.binary(max_size=4)), st.lists(st.none() | st.binary(max_size=4)))
def test_framing_is_unambiguous(first: list[bytes | None], second: list[bytes | None]) -> None:
    assert (frame(*first) == frame(*second)) == (first == second)


@given(st.binary(max_size=100))
def test_an_attestation_holds_for_its_facts_and_over_a_key_rotation(facts: bytes) -> None:
    attestation = ENVELOPE.attest(facts)
    Envelope(rotated_ring()).verify(facts, attestation)
    with pytest.raises(IntegrityFailure):
        ENVELOPE.verify(facts + b"\0", attestation)


@pytest.mark.parametrize(
    "mangle", [lambda _: "", lambda text: text[:-1], lambda text: text + "0", lambda text: text.upper()]
)
def test_a_mangled_attestation_fails(mangle: Callable[[str], str]) -> None:
    with pytest.raises(IntegrityFailure):
        ENVELOPE.verify(b"facts", mangle(ENVELOPE.attest(b"facts")))


@given(st.integers(0, 255))
def test_a_flipped_bit_in_an_attestation_fails(bit: int) -> None:
    version, key_id, mac = ENVELOPE.attest(b"facts").split(".")
    with pytest.raises(IntegrityFailure):
        ENVELOPE.verify(b"facts", f"{version}.{key_id}.{flip(bytes.fromhex(mac), bit).hex()}")


def test_an_attestation_by_an_unknown_key_is_unavailable() -> None:
    with pytest.raises(KeyUnavailable):
        ENVELOPE.verify(b"facts", Envelope(foreign_ring()).attest(b"facts"))


@given(st.binary(max_size=50), st.binary(max_size=200))
def test_a_blob_opens_for_its_purpose_and_context_in_any_process_with_the_key(context: bytes, content: bytes) -> None:
    blob = ENVELOPE.seal_bytes("cache", context, content)
    assert Envelope(rotated_ring()).open_bytes("cache", context, blob) == content
    for purpose, other in (("backup", context), ("cache", context + b"\0")):
        with pytest.raises(IntegrityFailure):
            ENVELOPE.open_bytes(purpose, other, blob)


@given(st.integers(0, 2**16))
def test_a_flipped_bit_in_a_blob_fails(bit: int) -> None:
    blob = ENVELOPE.seal_bytes("cache", b"name", b"content")
    with pytest.raises((IntegrityFailure, KeyUnavailable)):
        ENVELOPE.open_bytes("cache", b"name", flip(blob, bit))


@given(st.binary(max_size=120))
def test_junk_is_no_blob(junk: bytes) -> None:
    with pytest.raises((IntegrityFailure, KeyUnavailable)):
        ENVELOPE.open_bytes("cache", b"name", junk)


def test_every_shortened_blob_fails() -> None:
    blob = ENVELOPE.seal_bytes("backup", b"name", b"content")
    for length in range(len(blob)):
        with pytest.raises(IntegrityFailure):
            ENVELOPE.open_bytes("backup", b"name", blob[:length])


def test_i16_a_sealer_changes_its_key_long_before_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert blobs.BLOBS_PER_SALT <= 2**24
    monkeypatch.setattr(blobs, "BLOBS_PER_SALT", 3)
    sealer = BlobSealer(first_ring())
    sealed = [sealer.seal("cache", b"", b"") for _ in range(9)]
    assert len({blob[9:25] for blob in sealed}) == 3
    assert all(sealer.open("cache", b"", blob) == b"" for blob in sealed)


def test_two_sealers_never_share_a_key() -> None:
    first, second = (BlobSealer(first_ring()).seal("cache", b"", b"") for _ in range(2))
    assert first[9:25] != second[9:25]


def test_values_sealed_by_format_1_open_for_ever() -> None:
    golden = json.loads((VECTORS / "format-1.json").read_text())
    columns = {column: bytes.fromhex(text) for column, text in golden["value"].items()}
    sealed = SealedValue(key_id=golden["key_id"], **columns)
    assert ENVELOPE.open(a_place(), sealed).reveal() == golden["plaintext"]
    assert ENVELOPE.open_bytes("backup", b"context", bytes.fromhex(golden["blob"])).decode() == golden["plaintext"]
    assert ENVELOPE.attest(golden["plaintext"].encode()) == golden["attestation"]
    assert bind_place(a_place()).hex() == golden["associated_data"]
