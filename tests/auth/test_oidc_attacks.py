"""Attacks on tokens of trusted issuers, over HTTPS: by keys, headers, claims and the documents of an issuer."""

import asyncio
import base64
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from holdfast.auth.jwks import RENEW_AFTER_S, UNKNOWN_KEY_PAUSE_S
from holdfast.config.issuers import ALGORITHMS
from holdfast.crypto.foreign_tokens import MAX_KEYS, PublicKeys, peek
from holdfast.errors import BackendUnavailable, Unauthenticated
from tests.auth.border import AUDIENCE, CLAIMS, Border, trusting
from tests.support.issuer import LocalIssuer

DISCOVERY = "/.well-known/openid-configuration"
LATE = 2**40


def part(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(issuer: LocalIssuer, head: bytes, claims: bytes) -> str:
    """A token with this very text, under a right signature by RS256."""
    message = f"{part(head)}.{part(claims)}"
    key: rsa.RSAPrivateKey = issuer.keys["key-1"]
    return f"{message}.{part(key.sign(message.encode(), padding.PKCS1v15(), SHA256()))}"


def claims_of(issuer: LocalIssuer, more: str = "") -> bytes:
    return f'{{"iss":"{issuer.url}","aud":"{AUDIENCE}","sub":"app-1","exp":{LATE}{more}}}'.encode()


async def refused(border: Border, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await border.vouch(token)


HEAD = b'{"alg":"RS256","kid":"key-1"}'


async def test_a_token_made_by_hand_holds_so_that_the_refusals_here_have_their_own_reason(issuer: LocalIssuer) -> None:
    assert (await Border(trusting(issuer)).vouch(signed(issuer, HEAD, claims_of(issuer)))).identity == "idp:app-1"


@pytest.mark.parametrize("named", [*ALGORITHMS, "HS256", "none", "rs256", "RS256 ", "RSA-OAEP"])
async def test_a_signature_counts_under_its_own_algorithm_alone(issuer: LocalIssuer, named: str) -> None:
    border = Border(trusting(issuer, algorithms=frozenset(ALGORITHMS)))
    head = json.dumps({"alg": named, "kid": "key-1"}).encode()
    if named == "RS256":
        await border.vouch(signed(issuer, head, claims_of(issuer)))
    else:
        await refused(border, signed(issuer, head, claims_of(issuer)))


async def test_a_key_is_of_use_for_the_one_algorithm_that_its_issuer_names(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer, algorithms=frozenset({"RS256", "PS256"})))
    issuer.documents["/keys"] = {"keys": [{**issuer.public_keys()[0], "alg": "RS256"}]}
    await border.vouch(issuer.token(CLAIMS))
    await refused(border, issuer.token(CLAIMS, algorithm="PS256"))


@pytest.mark.parametrize(
    "said",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": []},
        {"key_ops": "noverify"},
        {"d": "AQAB"},
        {"kty": "oct", "k": "AAAA"},
    ],
)
async def test_keys_for_other_ends_sign_nothing(issuer: LocalIssuer, said: dict[str, Any]) -> None:
    (key,) = issuer.public_keys()
    issuer.documents["/keys"] = {"keys": [{**key, **said}, {**key, "kid": "other"}]}
    await refused(Border(trusting(issuer)), issuer.token(CLAIMS))


@pytest.mark.parametrize("bits", [1024, 16_392])
async def test_keys_of_no_reasonable_length_do_not_count(issuer: LocalIssuer, bits: int) -> None:
    modulus = part(((1 << bits) - 1).to_bytes(bits // 8, "big"))
    (key,) = issuer.public_keys()
    issuer.documents["/keys"] = {"keys": [{**key, "n": modulus}, {**key, "kid": "other"}]}
    await refused(Border(trusting(issuer)), issuer.token(CLAIMS))


ODD = [{"kid": "x", "kty": []}, {"kid": "x", "kty": "RSA", "alg": []}, {"kid": []}, 7, None, "key", {"kid": "x"}]


@pytest.mark.parametrize("odd", [*ODD, {"kid": "x", "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}])
async def test_one_odd_key_shuts_out_nobody_who_has_another(issuer: LocalIssuer, odd: Any) -> None:
    keys = issuer.public_keys()
    for order in ([odd, *keys], [*keys, odd]):
        issuer.documents["/keys"] = {"keys": order}
        assert (await Border(trusting(issuer)).vouch(issuer.token(CLAIMS))).identity == "idp:app-1"


async def test_a_flood_of_keys_is_not_read_and_what_is_known_goes_on(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer))
    await border.vouch(issuer.token(CLAIMS))
    (key,) = issuer.public_keys()
    issuer.documents["/keys"] = {"keys": [{**key, "kid": f"key-{n}"} for n in range(MAX_KEYS + 1)]}
    border.clock.move(RENEW_AFTER_S)
    await refused(border, issuer.token(CLAIMS, kid="key-7"))
    await border.vouch(issuer.token({**CLAIMS, "exp": LATE}))
    with pytest.raises(BackendUnavailable):
        await Border(trusting(issuer)).vouch(issuer.token(CLAIMS))


async def test_i6_a_key_replaced_under_its_id_ends_the_tokens_of_the_former_one(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer, jwks_uri=f"{issuer.url}/keys"))
    old = issuer.token({**CLAIMS, "exp": LATE})
    await border.vouch(old)
    issuer.roll("key-1")
    border.clock.move(RENEW_AFTER_S)
    await refused(border, issuer.token(CLAIMS, kid="unknown"))  # has the keys fetched again
    await border.vouch(issuer.token({**CLAIMS, "exp": LATE}))
    await refused(border, old)


async def test_keys_that_share_an_id_shut_out_none_of_each_others_tokens(issuer: LocalIssuer) -> None:
    first = issuer.keys["key-1"]
    mine = issuer.public_keys()
    issuer.roll("key-1")
    issuer.documents["/keys"] = {"keys": [*mine, *issuer.public_keys()]}
    border = Border(trusting(issuer))
    stranger = rsa.generate_private_key(65537, 2048)
    for key, good in ((issuer.keys["key-1"], True), (first, True), (stranger, False)):
        token = jwt.encode({"iss": issuer.url, **CLAIMS, "exp": LATE}, key, "RS256", headers={"kid": "key-1"})
        if good:
            await border.vouch(token)
        else:
            await refused(border, token)


async def test_unknown_keys_by_the_hundred_at_once_cost_the_issuer_one_question(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer, jwks_uri=f"{issuer.url}/keys"))
    await asyncio.gather(*(refused(border, issuer.token(CLAIMS, kid=f"no-{n}")) for n in range(200)))
    assert len(issuer.asked) == 1
    border.clock.move(UNKNOWN_KEY_PAUSE_S - 1)
    await refused(border, issuer.token(CLAIMS, kid="no-more"))
    assert len(issuer.asked) == 1


@pytest.mark.parametrize(
    "head",
    [
        b'{"alg":"RS256","kid":"key-1","crit":["b64"],"b64":false}',
        b'{"alg":"RS256","kid":"key-1","b64":false}',
        b'{"alg":"RS256","kid":"key-1","crit":[]}',
        b'{"alg":"RS256","kid":"key-1","crit":null}',
        b'{"alg":["RS256"],"kid":"key-1"}',
        b'{"alg":"RS256","kid":["key-1"]}',
        b'{"alg":"RS256","kid":null}',
        b'{"alg":"RS256","kid":"key-1","alg":"none"}',
        b'{"alg":"RS256","kid":"key-1","kid":"key-9"}',
        b'{"alg":"RS256"}',
        b'["RS256"]',
        b'{"alg":"RS256","kid":"KEY-1"}',
    ],
)
async def test_headers_that_say_anything_else_are_refused(issuer: LocalIssuer, head: bytes) -> None:
    await refused(Border(trusting(issuer)), signed(issuer, head, claims_of(issuer)))


@pytest.mark.parametrize(
    "more",
    [
        f',"exp":{10**300}.0',
        ',"exp":1e400',
        ',"exp":NaN',
        ',"exp":-1',
        ',"exp":"9"',
        f',"nbf":{10**4000}',
        ',"aud":["api://other"]',
        ',"aud":[["api://holdfast"]]',
        ',"aud":[{"api://holdfast":1}]',
        ',"sub":{"sub":"app-1"}',
        ',"iss":["x"]',
    ],
)
async def test_the_last_of_claims_that_stand_twice_decides_and_odd_ones_do_not_hold(
    issuer: LocalIssuer, more: str
) -> None:
    """RFC 7519 4: a reader takes the last, everywhere, or refuses; a claim in front of it lets no one in."""
    await refused(Border(trusting(issuer)), signed(issuer, HEAD, claims_of(issuer, more)))


async def test_a_token_with_thousands_of_audiences_is_read_once_and_bounded(issuer: LocalIssuer) -> None:
    audiences = [f"a{n}" for n in range(1_000)]
    border = Border(trusting(issuer))
    await border.vouch(issuer.token({**CLAIMS, "aud": [*audiences, AUDIENCE]}))
    await refused(border, issuer.token({**CLAIMS, "aud": audiences}))


@pytest.mark.parametrize(("offset_s", "holds"), [(-29, True), (-31, False)])
async def test_the_end_of_a_token_has_the_leeway_and_no_more(issuer: LocalIssuer, offset_s: int, holds: bool) -> None:
    border = Border(trusting(issuer))
    token = issuer.token({**CLAIMS, "exp": int(border.clock.now().timestamp()) + offset_s})
    if holds:
        await border.vouch(token)
    else:
        await refused(border, token)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
@pytest.mark.parametrize(("offset_s", "holds"), [(28, True), (32, False)])
async def test_the_beginning_of_a_token_has_the_leeway_and_no_more(
    issuer: LocalIssuer, claim: str, offset_s: int, holds: bool
) -> None:
    border = Border(trusting(issuer))
    token = issuer.token({**CLAIMS, claim: int(border.clock.now().timestamp()) + offset_s})
    if holds:
        await border.vouch(token)
    else:
        await refused(border, token)


def elsewhere(issuer: LocalIssuer) -> list[str]:
    host = issuer.url.removeprefix("https://")
    return [
        f"http://{host}/keys",
        f"https://{host}@evil.example/keys",
        f"https://user@{host}/keys",
        f"https://{host}.evil.example/keys",
        "https://127.0.0.1/keys",
        f"//{host}/keys",
        "/keys",
        f"file://{host}/etc/passwd",
        "https://[::1/keys",
        "",
    ]


async def test_the_discovery_document_leads_to_its_own_host_over_https_or_nowhere(issuer: LocalIssuer) -> None:
    right = issuer.document(DISCOVERY)
    for address in elsewhere(issuer):
        issuer.documents[DISCOVERY] = {**right, "jwks_uri": address}
        with pytest.raises(BackendUnavailable):
            await Border(trusting(issuer)).vouch(issuer.token(CLAIMS))
    assert {path for path, _ in issuer.asked} == {DISCOVERY}


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("path", [DISCOVERY, "/keys"])
async def test_no_redirect_of_an_issuer_is_followed(issuer: LocalIssuer, path: str, status: str) -> None:
    issuer.documents[path] = (
        f"HTTP/1.1 {status}\r\nlocation: {issuer.url}/elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ).encode()
    with pytest.raises(BackendUnavailable):
        await Border(trusting(issuer)).vouch(issuer.token(CLAIMS))
    assert "/elsewhere" not in {asked for asked, _ in issuer.asked}


async def test_a_key_of_another_kind_under_the_id_is_no_way_in(issuer: LocalIssuer) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    forged = jwt.encode({"iss": issuer.url, **CLAIMS, "exp": LATE}, stranger, "ES256", headers={"kid": "key-1"})
    await refused(Border(trusting(issuer, algorithms=frozenset({"RS256", "ES256"}))), forged)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(["kty", "kid", "use", "alg", "key_ops", "crv", "n", "e", "x", "y", "d", "oth"])
LIKELY = st.sampled_from(["RSA", "EC", "OKP", "sig", "P-256", "Ed25519", "AQAB", "RS256", "x" * 342])


@given(st.lists(st.dictionaries(MEMBERS, LIKELY | JSON, max_size=8) | JSON, max_size=4) | JSON)
def test_any_key_set_is_read_or_refused(given_keys: object) -> None:
    try:
        assert PublicKeys.parse({"keys": given_keys}).keys
    except ValueError:
        return


@given(JSON | st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "typ"]), LIKELY | JSON), JSON)
def test_any_token_is_read_or_none(head: object, claims: object) -> None:
    token = f"{part(json.dumps(head).encode())}.{part(json.dumps(claims).encode())}.AAAA"
    said = peek(token)
    assert said is None or all(isinstance(each, str) for each in (said.issuer, said.algorithm, said.key_id))
