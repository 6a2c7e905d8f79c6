import time
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.changes import KEEP
from holdfast.errors import InvalidInput
from holdfast.keyvault_wire.requests import (
    MalformedBackup,
    SetRequest,
    UpdateRequest,
    decode_backup,
    parse_restore,
    parse_set,
    parse_update,
)
from holdfast.keyvault_wire.strict_json import parse_object
from tests.support.vectors import vectors

VECTORS = vectors("keyvault/bodies.json")


def as_dict(request: SetRequest | UpdateRequest) -> dict[str, Any]:
    found = {field.name: getattr(request, field.name) for field in fields(request)}
    return {
        name: int(value.timestamp()) if isinstance(value, datetime) else value
        for name, value in found.items()
        if value is not KEEP
    }


@pytest.mark.parametrize(("body", "expected"), VECTORS["set"])
def test_set_bodies(body: str, expected: dict[str, Any]) -> None:
    nothing = dict.fromkeys(("content_type", "tags", "not_before", "expires_at"))
    assert as_dict(parse_set(body.encode())) == {**nothing, **expected}


@pytest.mark.parametrize(("body", "expected"), VECTORS["update"])
def test_update_bodies_keep_what_they_do_not_name(body: str, expected: dict[str, Any]) -> None:
    assert as_dict(parse_update(body.encode())) == expected


@pytest.mark.parametrize(("body", "field"), VECTORS["refused_set"])
def test_bad_bodies_are_refused_by_the_name_of_the_field(body: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_set(body.encode())
    assert refused.value.field == field


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(InvalidInput, match="UTF-8"):
        parse_set('{"value":"ü"}'.encode(encoding))


def test_a_refusal_does_not_hold_the_body() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_set(b'{"value":"marked-secret",,}')
    assert refused.value.__cause__ is None
    assert "marked-secret" not in str(refused.value)


def test_times_are_utc() -> None:
    assert parse_set(b'{"value":"","attributes":{"exp":0}}').expires_at == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ['{"value":"' + '\\"' * 100_000 + "\\", "[" * 200_000, '{"a":' * 50_000, "9" * 200_000]
)
def test_hostile_texts_are_refused_in_linear_time(text: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidInput):
        parse_object(text.encode())
    assert time.process_time() - began < 2  # quadratic work would take minutes


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    with suppress(InvalidInput):
        parse_set(raw)


@given(st.text(max_size=50))
def test_a_value_arrives_as_it_was_sent(value: str) -> None:
    assert parse_set(msgspec.json.encode({"value": value})).value == value


@pytest.mark.parametrize("blob", ["", "AA==", "a+b", "a/b", "a b", "A", "ä"])
def test_what_is_not_base64url_is_a_malformed_backup(blob: str) -> None:
    with pytest.raises(MalformedBackup, match=r"^Backup blob is corrupt\.$"):
        decode_backup(blob)


def test_a_backup_is_decoded_without_padding() -> None:
    assert parse_restore(b'{"value":"-_8"}') == b"\xfb\xff"


def test_a_restore_without_value_is_bad_input() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_restore(b"{}")
    assert refused.value.field == "value"
    assert not isinstance(refused.value, MalformedBackup)
