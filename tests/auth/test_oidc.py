"""Tokens of trusted issuers: the named ones with realistic claims, and every way to cheat."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.auth.jwks import KEEP_S, RENEW_AFTER_S, UNKNOWN_KEY_PAUSE_S
from holdfast.auth.keptkeys import KeptKeys
from holdfast.auth.oidc import MAX_TOKEN_LENGTH
from holdfast.errors import BackendUnavailable, Unauthenticated
from tests.auth.border import AUDIENCE, CLAIMS, Border, trusting
from tests.support.issuer import LocalIssuer

TENANT = "11111111-2222-3333-4444-555555555555"

ENTRA = {
    "aud": AUDIENCE,
    "azp": "6f1f2c54-0000-4000-8000-000000000001",
    "azpacr": "1",
    "groups": ["5d0c7c1e-0000-4000-8000-00000000000a", "5d0c7c1e-0000-4000-8000-00000000000b"],
    "oid": "9b3f3c1e-0000-4000-8000-00000000000c",
    "preferred_username": "alice@example.com",
    "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
    "tid": TENANT,
    "uti": "fqiBqXLPj0eQa82S-IYFAA",
    "ver": "2.0",
}
KUBERNETES = {
    "aud": [AUDIENCE, "https://kubernetes.default.svc"],
    "jti": "7f0c1ee4-0000-4000-8000-000000000001",
    "kubernetes.io": {
        "namespace": "payments",
        "node": {"name": "node-1", "uid": "x"},
        "pod": {"name": "api-0", "uid": "y"},
        "serviceaccount": {"name": "api", "uid": "z"},
    },
    "sub": "system:serviceaccount:payments:api",
}
GITHUB = {
    "aud": AUDIENCE,
    "sub": "repo:octo-org/octo-repo:environment:prod",
    "environment": "prod",
    "ref": "refs/heads/main",
    "repository": "octo-org/octo-repo",
    "repository_owner": "octo-org",
    "repository_owner_id": "65",
    "repository_visibility": "private",
    "run_id": "1234567890",
    "event_name": "workflow_dispatch",
    "job_workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
}

NAMED: dict[str, tuple[dict[str, Any], dict[str, Any], str, set[str], dict[str, Any]]] = {
    "entra": (
        {"identity_claim": ("oid",), "groups_claim": ("groups",), "required_claims": {"tid": (TENANT,)}},
        ENTRA,
        "entra:9b3f3c1e-0000-4000-8000-00000000000c",
        {"entra:5d0c7c1e-0000-4000-8000-00000000000a", "entra:5d0c7c1e-0000-4000-8000-00000000000b"},
        {"tid": "99999999-2222-3333-4444-555555555555"},
    ),
    "k8s": (
        {"groups_claim": ("kubernetes.io", "namespace")},
        KUBERNETES,
        "k8s:system:serviceaccount:payments:api",
        {"k8s:payments"},
        {"aud": ["https://kubernetes.default.svc"]},
    ),
    "github": (
        {
            "groups_claim": ("repository",),
            "required_claims": {"repository_owner": ("octo-org",), "repository_owner_id": ("65",)},
        },
        GITHUB,
        "github:repo:octo-org/octo-repo:environment:prod",
        {"github:octo-org/octo-repo"},
        {"repository_owner": "evil-org"},
    ),
}


@pytest.mark.parametrize("name", NAMED)
async def test_the_named_issuers(issuer: LocalIssuer, name: str) -> None:
    more, claims, identity, groups, foreign = NAMED[name]
    border = Border(trusting(issuer, name=name, **more))
    vouched = await border.vouch(issuer.token(claims))
    assert (vouched.identity, set(vouched.groups)) == (identity, groups)
    with pytest.raises(Unauthenticated):
        await border.vouch(issuer.token({**claims, **foreign}))


@pytest.mark.parametrize("kind", ["RSA", "EC"])
async def test_pinned_algorithms_and_no_others(issuer: LocalIssuer, kind: str) -> None:
    issuer.roll("other", kind)
    algorithm = "RS256" if kind == "RSA" else "ES256"
    token = issuer.token(CLAIMS, algorithm=algorithm)
    assert (await Border(trusting(issuer, algorithms=frozenset({algorithm}))).vouch(token)).identity == "idp:app-1"
    for wrong in ({"PS256"}, {"ES384"}, {"EdDSA"}):
        with pytest.raises(Unauthenticated):
            await Border(trusting(issuer, algorithms=frozenset(wrong))).vouch(token)


def part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


async def test_case_7_no_algorithm_and_shared_secrets_are_refused(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer))
    good = issuer.token(CLAIMS)
    await border.vouch(good)
    payload = good.split(".")[1]
    for algorithm in ("none", "None", "NONE", ""):
        for signature in ("", good.split(".")[2]):
            with pytest.raises(Unauthenticated):
                await border.vouch(f"{part({'alg': algorithm, 'kid': 'key-1'})}.{payload}.{signature}")
    public = issuer.keys["key-1"].public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(issuer.public_keys()[0]).encode(),
        b"",
    ):
        signed = f"{part({'alg': 'HS256', 'kid': 'key-1'})}.{payload}"
        mac = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256)).rstrip(b"=").decode()
        with pytest.raises(Unauthenticated):
            await border.vouch(f"{signed}.{mac}")


@pytest.mark.parametrize(
    "key_id", ["../../etc/passwd", "' OR 1=1 --", "https://evil.example/key", "", "x" * 10_000, "key-2", "\u0000"]
)
async def test_case_7_hostile_key_ids(issuer: LocalIssuer, key_id: str) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    forged = jwt.encode({"iss": issuer.url, **CLAIMS, "exp": 2**40}, stranger, "RS256", headers={"kid": key_id})
    border = Border(trusting(issuer))
    with pytest.raises(Unauthenticated):
        await border.vouch(forged)
    assert {path for path, _ in issuer.asked} <= {"/.well-known/openid-configuration", "/keys"}


async def test_what_a_token_says_about_its_key_is_not_followed(issuer: LocalIssuer) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key())), "kid": "key-1"}
    for header in ({"jku": f"{issuer.url}/evil"}, {"x5u": f"{issuer.url}/evil"}, {"jwk": jwk}, {"crit": ["exp"]}):
        forged = jwt.encode(
            {"iss": issuer.url, **CLAIMS, "exp": 2**40}, stranger, "RS256", headers={"kid": "key-1", **header}
        )
        with pytest.raises(Unauthenticated):
            await Border(trusting(issuer)).vouch(forged)
    assert "/evil" not in {path for path, _ in issuer.asked}


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": 1},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": 1e12},
        {"nbf": 2**40},
        {"iat": 2**40},
        {"nbf": "0"},
        {"aud": None},
        {"aud": "api://other"},
        {"aud": AUDIENCE.upper()},
        {"aud": AUDIENCE + "/"},
        {"aud": ["api://other"]},
        {"aud": [AUDIENCE, 7]},
        {"aud": []},
        {"aud": {AUDIENCE: 1}},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": ["app-1"]},
        {"sub": " app-1"},
        {"sub": "app-1\u0000"},
        {"sub": "\u0430pp-1"},
        {"sub": "x" * 300},
        {"groups": ["x"] * 300},
        {"groups": ["caf\u00e9"]},
        {"iss": "https://127.0.0.1"},
    ],
)
async def test_case_7_claims_that_do_not_hold(issuer: LocalIssuer, changes: dict[str, Any]) -> None:
    border = Border(trusting(issuer, groups_claim=("groups",)))
    token = issuer.token({**CLAIMS, **changes})
    with pytest.raises(Unauthenticated):
        await border.vouch(token)


@pytest.mark.parametrize(
    ("wanted", "given", "holds"),
    [
        (("x",), "x", True),
        (("x", "y"), "y", True),
        (("x",), "X", False),
        (("x",), ["x"], False),
        (("x",), None, False),
        ((True,), True, True),
        ((True,), 1, False),
        ((True,), "true", False),
        ((1,), True, False),
        ((65,), 65, True),
    ],
)
async def test_required_claims(issuer: LocalIssuer, wanted: tuple[Any, ...], given: Any, holds: bool) -> None:
    border = Border(trusting(issuer, required_claims={"claim": wanted}))
    token = issuer.token({**CLAIMS, "claim": given})
    if holds:
        await border.vouch(token)
    else:
        with pytest.raises(Unauthenticated, match="claim"):
            await border.vouch(token)


async def test_case_7_huge_and_nested_tokens_cost_nothing(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer))
    deep = base64.urlsafe_b64encode(b'{"iss":' + b"[" * 9_000).rstrip(b"=").decode()
    head = part({"alg": "RS256", "kid": "key-1"})
    for token in (
        issuer.token({**CLAIMS, "pad": "x" * MAX_TOKEN_LENGTH}),
        f"{head}.{deep}.x",
        f"{deep}.{deep}.x",
        f"{head}.{part([])}.x",
        f"{head}.{part({'iss': 7})}.x",
        "." * 10,
        "a.b",
        "\udcff",
        "",
    ):
        with pytest.raises(Unauthenticated):
            await border.vouch(token)
    assert issuer.asked == []


async def test_case_8_expiry_has_a_leeway_of_half_a_minute_and_no_more(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer))
    token = issuer.token(CLAIMS)
    await border.vouch(token)
    border.clock.move(600 + 25)
    await border.vouch(token)
    border.clock.move(10)
    with pytest.raises(Unauthenticated, match="expired"):
        await border.vouch(token)


async def test_keys_are_fetched_once_and_a_verified_token_is_remembered(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer))
    for _ in range(3):
        await border.vouch(issuer.token(CLAIMS))
    assert [path for path, _ in issuer.asked] == ["/.well-known/openid-configuration", "/keys"]


async def test_a_new_key_is_found_and_unknown_ones_are_not_looked_for_all_the_time(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer, jwks_uri=f"{issuer.url}/keys"))
    await border.vouch(issuer.token(CLAIMS))
    forged = issuer.token(CLAIMS, kid="no-such-key")
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            await border.vouch(forged)
    assert len(issuer.asked) == 1
    issuer.roll("key-2")
    border.clock.move(UNKNOWN_KEY_PAUSE_S)
    assert (await border.vouch(issuer.token(CLAIMS))).key_id == "key-2"
    assert len(issuer.asked) == 2


async def test_i6_a_withdrawn_key_is_believed_no_longer_even_for_remembered_tokens(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer, jwks_uri=f"{issuer.url}/keys"))
    old = issuer.token({**CLAIMS, "exp": 2**40})
    await border.vouch(old)
    issuer.roll("key-2")
    issuer.withdraw("key-1")
    border.clock.move(RENEW_AFTER_S)
    await border.vouch(issuer.token({**CLAIMS, "exp": 2**40}))
    with pytest.raises(Unauthenticated):
        await border.vouch(old)
    issuer.roll("key-1")


async def test_an_issuer_that_is_down_is_no_outage_for_a_day(issuer: LocalIssuer) -> None:
    border = Border(trusting(issuer))
    token = issuer.token({**CLAIMS, "exp": 2**40})
    await border.vouch(token)
    issuer.down = True
    border.clock.move(KEEP_S - 1)
    assert (await border.vouch(issuer.token({**CLAIMS, "sub": "app-2", "exp": 2**40}))).identity == "idp:app-2"
    border.clock.move(2)
    with pytest.raises(BackendUnavailable):
        await border.vouch(token)
    with pytest.raises(BackendUnavailable):
        await Border(trusting(issuer)).vouch(token)


async def test_keys_outlive_a_restart_while_the_issuer_is_down_for_a_day(issuer: LocalIssuer, tmp_path: Path) -> None:
    kept, token = KeptKeys(tmp_path), issuer.token({**CLAIMS, "exp": 2**40})
    await Border(trusting(issuer), kept).vouch(token)
    issuer.down = True
    restarted = Border(trusting(issuer), kept)
    assert (await restarted.vouch(token)).identity == "idp:app-1"
    restarted.clock.move(KEEP_S)
    with pytest.raises(BackendUnavailable):
        await restarted.vouch(token)
    late = Border(trusting(issuer), kept)
    late.clock.move(KEEP_S + 60)
    with pytest.raises(BackendUnavailable):
        await late.vouch(token)
    early = Border(trusting(issuer), kept)
    early.clock.move(-3600)  # kept in the future: nobody knows how old they are
    with pytest.raises(BackendUnavailable):
        await early.vouch(token)


async def test_an_issuer_that_is_up_is_asked_rather_than_the_folder(issuer: LocalIssuer, tmp_path: Path) -> None:
    kept, token = KeptKeys(tmp_path), issuer.token({**CLAIMS, "exp": 2**40})
    await Border(trusting(issuer), kept).vouch(token)
    (withdrawn,) = issuer.keys
    issuer.roll("key-new")
    issuer.withdraw(withdrawn)
    with pytest.raises(Unauthenticated):
        await Border(trusting(issuer), kept).vouch(token)


def _made_writable(file: Path) -> None:
    file.chmod(0o620)


def _linked(file: Path) -> None:
    file.rename(file.with_suffix(".real"))
    file.symlink_to(file.with_suffix(".real"))


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:50])


def _of_another_address(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "address": "https://elsewhere.example/keys"}))


def _without_keys(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "keys": {"keys": []}}))


@pytest.mark.parametrize("spoil", [_made_writable, _linked, _cut, _of_another_address, _without_keys])
async def test_kept_keys_that_are_not_credible_let_nobody_in(
    issuer: LocalIssuer, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    kept, token = KeptKeys(tmp_path), issuer.token({**CLAIMS, "exp": 2**40})
    await Border(trusting(issuer), kept).vouch(token)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    spoil(file)
    issuer.down = True
    with pytest.raises(BackendUnavailable):
        await Border(trusting(issuer), kept).vouch(token)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"keys": []},
        {"keys": [{"kty": "oct", "k": "AAAA", "kid": "key-1"}]},
        [],
        b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 700000\r\nconnection: close\r\n\r\n" + b" " * 700_000,
        b"nonsense\r\n\r\n",
    ],
)
async def test_what_is_no_key_set_gives_no_keys(issuer: LocalIssuer, answer: Any) -> None:
    issuer.documents["/keys"] = answer
    with pytest.raises(BackendUnavailable):
        await Border(trusting(issuer)).vouch(issuer.token(CLAIMS))
    assert "/elsewhere" not in {path for path, _ in issuer.asked}


@pytest.mark.parametrize(
    "document", [{"jwks_uri": "https://evil.example/keys"}, {"issuer": "https://evil.example"}, {"jwks_uri": None}]
)
async def test_discovery_may_not_lead_elsewhere(issuer: LocalIssuer, document: dict[str, Any]) -> None:
    path = "/.well-known/openid-configuration"
    issuer.documents[path] = {**issuer.document(path), **document}
    with pytest.raises(BackendUnavailable):
        await Border(trusting(issuer)).vouch(issuer.token(CLAIMS))
    assert [asked for asked, _ in issuer.asked] == [path]


async def test_an_issuer_that_is_not_vouched_for_by_a_ca_is_not_asked_for_keys(issuer: LocalIssuer) -> None:
    with pytest.raises(BackendUnavailable):
        await Border(trusting(issuer, ca_file=None)).vouch(issuer.token(CLAIMS))
    assert issuer.asked == []


async def test_keys_may_need_a_token_to_be_fetched(issuer: LocalIssuer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("our-own-token\n")
    border = Border(replace(trusting(issuer), bearer_token_file=file, jwks_uri=f"{issuer.url}/keys"))
    await border.vouch(issuer.token(CLAIMS))
    assert issuer.asked == [("/keys", "bearer our-own-token")]


async def test_weak_keys_do_not_count(issuer: LocalIssuer) -> None:
    issuer.keys["weak"] = rsa.generate_private_key(65537, 1024)
    with pytest.raises(Unauthenticated), pytest.warns(jwt.InsecureKeyLengthWarning):
        await Border(trusting(issuer)).vouch(issuer.token(CLAIMS, key_id="weak"))
