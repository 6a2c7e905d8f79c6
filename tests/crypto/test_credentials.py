"""Client secrets."""

import re

import pytest

from holdfast.crypto.credentials import hash_client_secret, new_client_secret, verify_client_secret
from holdfast.errors import Unauthenticated


def test_a_new_secret_has_256_bits_and_can_stand_in_a_url() -> None:
    made = {new_client_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"hfs_[A-Za-z0-9_-]{43}", secret) for secret in made)


def test_the_right_secret_is_accepted() -> None:
    secret = new_client_secret()
    verify_client_secret(secret, hash_client_secret(secret))


@pytest.mark.parametrize("wrong", ["", "hfs_", "\ud800", "é" * 1000, "hfs_" + "A" * 43])
def test_a_wrong_secret_is_refused(wrong: str) -> None:
    with pytest.raises(Unauthenticated):
        verify_client_secret(wrong, hash_client_secret(new_client_secret()))


@pytest.mark.parametrize("kept", [None, b"", b"short"])
def test_nothing_matches_an_unknown_client_or_a_damaged_hash(kept: bytes | None) -> None:
    with pytest.raises(Unauthenticated):
        verify_client_secret("", kept)
