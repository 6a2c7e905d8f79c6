"""Access tokens: only what this service signed, whole and in time."""

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.keyring import KeyRing
from holdfast.crypto.tokens import LEEWAY, TokenSigner
from holdfast.errors import Unauthenticated
from tests.crypto.support import NOW, first_ring, foreign_ring, rotated_ring

SECONDS = int(NOW.timestamp())
CLAIMS: dict[str, Any] = {
    "iss": "https://vault.example/tenant/v2.0",
    "sub": "app-1",
    "aud": "https://vault.example",
    "jti": "1",
    "iat": SECONDS,
    "nbf": SECONDS,
    "exp": SECONDS + 3600,
    "tid": "tenant",
}


def signer(ring: KeyRing | None = None, *, later: timedelta = timedelta()) -> TokenSigner:
    return TokenSigner(ring or first_ring(), lambda: NOW + later)


def forged(claims: dict[str, Any], *, algorithm: str = "EdDSA", key: Any = None, **headers: Any) -> str:
    """A token like ours; the right key by default, so that one thing at a time is wrong."""
    key = key or Ed25519PrivateKey.from_private_bytes(first_ring().primary.subkey("token"))
    return jwt.encode(claims, key, algorithm, headers={"kid": first_ring().primary.id, "typ": "at+jwt", **headers})


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def test_what_was_signed_is_verified() -> None:
    assert signer().verify(signer().sign(CLAIMS)) == CLAIMS


def test_the_forging_helper_forges_well() -> None:
    assert signer().verify(forged(CLAIMS)) == CLAIMS


def test_tokens_outlive_a_rotation_of_the_ring() -> None:
    old = signer().sign(CLAIMS)
    rotated = signer(rotated_ring())
    assert rotated.verify(old) == CLAIMS
    assert jwt.get_unverified_header(rotated.sign(CLAIMS))["kid"] == foreign_ring().primary.id


def test_the_key_set_verifies_tokens_elsewhere() -> None:
    keys = jwt.PyJWKSet.from_dict(dict(signer(rotated_ring()).jwks()))
    token = signer().sign(CLAIMS)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    assert jwt.decode(token, key, ["EdDSA"], audience=CLAIMS["aud"], options=options) == CLAIMS


def test_the_key_set_holds_no_private_key() -> None:
    assert all("d" not in entry for entry in signer().jwks()["keys"])


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "jti", "iat", "nbf", "exp"])
@pytest.mark.parametrize("wrong", ["missing", None, "", True, 1.5, [], ["https://vault.example"], {}, "1893456000"])
def test_a_missing_or_ill_typed_claim_is_refused(claim: str, wrong: object) -> None:
    if wrong == "1893456000" and claim in {"iss", "sub", "aud", "jti"}:
        wrong = 1893456000
    claims = {**CLAIMS, claim: wrong}
    if wrong == "missing":
        del claims[claim]
    token = ".".join((part({"alg": "EdDSA", "kid": first_ring().primary.id, "typ": "at+jwt"}), part(claims)))
    key = Ed25519PrivateKey.from_private_bytes(first_ring().primary.subkey("token"))
    signature = base64.urlsafe_b64encode(key.sign(token.encode())).rstrip(b"=").decode()
    with pytest.raises(Unauthenticated, match="claim"):
        signer().verify(f"{token}.{signature}")
    with pytest.raises(ValueError, match="a token needs"):
        signer().sign(claims)


def test_an_expiry_that_is_no_number_is_refused() -> None:
    with pytest.raises(Unauthenticated, match="claim"):
        signer().verify(forged({**CLAIMS, "exp": float("nan")}))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "....",
        "é",
        "x" * 5000,
        "\ud800",
        f"{part({'alg': 'none'})}.{part(CLAIMS)}.",
        f"{part({'alg': 'none', 'kid': first_ring().primary.id, 'typ': 'at+jwt'})}.{part(CLAIMS)}.",
        f"{part(['alg'])}.{part(CLAIMS)}.",
        f"{base64.urlsafe_b64encode(b'[' * 2900).decode()}.{part(CLAIMS)}.x",
        f"{base64.urlsafe_b64encode(b'9' * 2900).decode()}.{part(CLAIMS)}.x",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        signer().verify(token)


def test_the_public_key_is_no_shared_secret() -> None:
    public = base64.urlsafe_b64decode(signer().jwks()["keys"][0]["x"] + "=")
    for algorithm in ("HS256", "HS512"):
        with pytest.raises(Unauthenticated):
            signer().verify(forged(CLAIMS, algorithm=algorithm, key=public.ljust(64, b"\0")))


@pytest.mark.parametrize(
    "headers",
    [
        {"kid": "0" * 16},
        {"kid": foreign_ring().primary.id},
        {"typ": "JWT"},
        {"typ": None},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
    ],
)
def test_an_unknown_key_or_another_kind_of_token_is_refused(headers: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        signer().verify(forged(CLAIMS, **headers))


def test_a_token_of_another_ring_is_refused() -> None:
    foreign = signer(foreign_ring()).sign(CLAIMS)
    with pytest.raises(Unauthenticated):
        signer().verify(foreign)
    key = Ed25519PrivateKey.from_private_bytes(foreign_ring().primary.subkey("token"))
    with pytest.raises(Unauthenticated):
        signer().verify(forged(CLAIMS, key=key))


@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    token = signer().sign(CLAIMS)
    place = data.draw(st.integers(0, len(token) - 2))  # the very last character has bits that carry nothing
    other = data.draw(st.sampled_from("Aa0_-.~é").filter(lambda character: character != token[place]))
    with pytest.raises(Unauthenticated):
        signer().verify(token[:place] + other + token[place + 1 :])


@given(st.text(max_size=300))
def test_junk_is_refused(junk: str) -> None:
    with pytest.raises(Unauthenticated):
        signer().verify(junk)


@pytest.mark.parametrize(
    ("later", "valid"),
    [
        (timedelta(hours=1, seconds=29), True),
        (timedelta(hours=1) + LEEWAY, False),
        (timedelta(seconds=-30), True),
        (timedelta(seconds=-31), False),
    ],
)
def test_the_times_of_a_token_hold_with_thirty_seconds_of_leeway(later: timedelta, valid: bool) -> None:
    verify = signer(later=later).verify
    if valid:
        assert verify(signer().sign(CLAIMS)) == CLAIMS
    else:
        with pytest.raises(Unauthenticated, match=r"expired|not valid yet"):
            verify(signer().sign(CLAIMS))


def test_i16_tokens_outlive_a_change_of_the_key_that_signs() -> None:
    ring = rotated_ring()
    tokens = signer(ring)
    new = tokens.sign(CLAIMS)
    ring.seal_with(first_ring().sealing)
    old = tokens.sign(CLAIMS)
    assert tokens.verify(old) == tokens.verify(new) == CLAIMS
    assert signer().verify(old) == CLAIMS
    with pytest.raises(Unauthenticated):
        signer().verify(new)
