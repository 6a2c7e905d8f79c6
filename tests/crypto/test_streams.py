"""Sealed streams: whole or not at all."""

import io
import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.streams import PIECE_BYTES, StreamSealer, opened
from holdfast.errors import IntegrityFailure

KEY = bytes(range(32))
CONTEXT = b"a backup"
OVERHEAD = 4 + 12 + 16


def sealed(*parts: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
    out = io.BytesIO()
    stream = StreamSealer(key, context, out.write)
    for part in parts:
        stream.write(part)
    stream.finish()
    return out.getvalue()


def content(stream: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
    return b"".join(opened(key, context, io.BytesIO(stream).read))


def pieces(stream: bytes) -> list[bytes]:
    cuts = [0]
    while cuts[-1] < len(stream):
        at = cuts[-1]
        cuts.append(at + OVERHEAD + int.from_bytes(stream[at : at + 4], "big"))
    return [stream[begin:end] for begin, end in pairwise(cuts)]


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_what_goes_in_comes_out_in_pieces_of_bounded_size(size: int) -> None:
    data = os.urandom(size)
    stream = sealed(data[: size // 3], data[size // 3 :])
    assert content(stream) == data
    assert len(pieces(stream)) == max(1, -(-size // PIECE_BYTES))
    assert all(len(piece) <= PIECE_BYTES + OVERHEAD for piece in pieces(stream))


def test_two_streams_of_the_same_data_have_nothing_in_common() -> None:
    assert sealed(b"the same") != sealed(b"the same")


@given(at=st.integers(0, 199), flip=st.integers(1, 255))
def test_i8_a_changed_byte_anywhere_is_found(at: int, flip: int) -> None:
    stream = bytearray(sealed(b"x" * (200 - OVERHEAD)))
    stream[at] ^= flip
    with pytest.raises(IntegrityFailure):
        content(bytes(stream))


@given(end=st.integers(0, 2 * (PIECE_BYTES + OVERHEAD)))
def test_i8_a_stream_that_is_cut_anywhere_is_found(end: int) -> None:
    with pytest.raises(IntegrityFailure, match=r"ends too early|altered, or cut short"):
        content(THREE[:end])


THREE = sealed(b"1" * PIECE_BYTES, b"2" * PIECE_BYTES, b"3" * PIECE_BYTES)


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 0, 1, 2), (0, 2), (1, 2), (2,), (0, 1, 2, 2), (0, 1, 2, 0)], ids=str)
def test_i8_pieces_that_are_exchanged_doubled_or_left_out_are_found(order: tuple[int, ...]) -> None:
    found = pieces(THREE)
    with pytest.raises(IntegrityFailure):
        content(b"".join(found[number] for number in order))


def test_i8_another_key_context_or_stream_opens_nothing() -> None:
    with pytest.raises(IntegrityFailure):
        content(THREE, key=bytes(reversed(KEY)))
    with pytest.raises(IntegrityFailure):
        content(THREE, context=b"another backup")
    other = pieces(sealed(b"1" * PIECE_BYTES, b"2", context=b"another backup"))
    with pytest.raises(IntegrityFailure):
        content(b"".join([*pieces(THREE)[:2], other[1]]))


def test_a_length_that_would_take_all_memory_is_refused_before_it_is_read() -> None:
    asked: list[int] = []

    def read(size: int) -> bytes:
        asked.append(size)
        return b"\xff" * size

    with pytest.raises(IntegrityFailure, match="altered"):
        list(opened(KEY, CONTEXT, read))
    assert asked == [4]
