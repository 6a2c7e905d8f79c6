"""AES-256-GCM: a published vector, and refusals before anything is decrypted."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.aead import Aead
from holdfast.errors import IntegrityFailure


def test_opens_the_published_vector_of_the_gcm_specification() -> None:
    # McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test case 16.
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    plaintext = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    ciphertext = bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    )
    opened = Aead(key).open(
        bytes.fromhex("cafebabefacedbaddecaf888"),
        ciphertext,
        bytes.fromhex("76fc6ece0f4e1768cddf8853bb2d551b"),
        bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
    )
    assert opened == plaintext


@pytest.mark.parametrize("length", [0, 8, 11, 13, 16])
def test_a_nonce_of_another_length_is_refused(length: int) -> None:
    aead = Aead(os.urandom(32))
    _, ciphertext, tag = aead.seal(b"value", b"")
    with pytest.raises(IntegrityFailure, match="length"):
        aead.open(bytes(length), ciphertext, tag, b"")


@pytest.mark.parametrize("length", [0, 4, 8, 12, 15])
def test_a_shortened_tag_is_refused(length: int) -> None:
    aead = Aead(os.urandom(32))
    nonce, ciphertext, tag = aead.seal(b"value", b"")
    with pytest.raises(IntegrityFailure, match="length"):
        aead.open(nonce, ciphertext, tag[:length], b"")


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Aead(bytes(length))


@given(st.binary(max_size=200), st.binary(max_size=50), st.binary(max_size=50))
def test_opens_only_with_the_same_associated_data(plaintext: bytes, sealed_with: bytes, opened_with: bytes) -> None:
    aead = Aead(bytes(range(32)))
    sealed = aead.seal(plaintext, sealed_with)
    assert aead.open(*sealed, sealed_with) == plaintext
    if sealed_with != opened_with:
        with pytest.raises(IntegrityFailure):
            aead.open(*sealed, opened_with)


def test_no_nonce_repeats() -> None:
    aead = Aead(os.urandom(32))
    nonces = {aead.seal(b"", b"")[0] for _ in range(20_000)}
    assert len(nonces) == 20_000


FORK = """
import os
from holdfast.crypto.aead import Aead

aead = Aead(bytes(range(32)))
child = os.fork()
os.write(1, aead.seal(b"", b"")[0].hex().encode() + b"\\n")  # in one piece: two processes write
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_child_draws_other_nonces() -> None:
    first, second = subprocess.check_output([sys.executable, "-c", FORK]).split()
    assert first != second
