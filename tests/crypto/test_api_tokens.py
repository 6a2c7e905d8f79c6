"""The shape of API tokens: recognisable, unguessable, and a mistyped one is told apart."""

import string

from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.api_tokens import hash_api_token, is_api_token, new_api_token

TOKEN = new_api_token()
PREFIX = "holdfast_"


def test_a_token_has_its_prefix_256_bits_and_a_checksum() -> None:
    tokens = {new_api_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(
        token.startswith(PREFIX) and len(token) == len(PREFIX) + 43 + 6 and is_api_token(token) for token in tokens
    )
    used = set("".join(token.removeprefix(PREFIX) for token in tokens))
    assert used == set(string.ascii_letters + string.digits)


@given(st.integers(min_value=0, max_value=len(TOKEN) - 1), st.characters())
def test_one_wrong_character_is_noticed(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    assert is_api_token(changed) == (changed == TOKEN)


@given(st.text())
def test_whatever_is_hashed_gives_32_bytes(text: str) -> None:
    assert len(hash_api_token(text)) == 32
    assert (hash_api_token(text) == hash_api_token(TOKEN)) == (text == TOKEN)


def test_look_alikes_are_none() -> None:
    for text in ("", "hf_", PREFIX, TOKEN[:-1], TOKEN + "0", TOKEN.upper(), " " + TOKEN, TOKEN + "\n", "x" * 100_000):
        assert not is_api_token(text)


def test_a_token_of_the_former_prefix_stays_one() -> None:
    assert is_api_token("hf_" + TOKEN.removeprefix(PREFIX))
