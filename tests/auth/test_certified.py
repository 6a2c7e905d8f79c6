"""Assertions that clients sign themselves, and everything that is done to let one in that is not the client's."""

import base64
import hmac
import time
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.auth.asserted import AssertedLogin, AssertionRefused, Why
from holdfast.auth.assertions import Assertions
from holdfast.auth.clients import ClientTokens
from holdfast.auth.resource import Audience
from holdfast.crypto.keyring import KeyRing, RingKey
from holdfast.crypto.tokens import TokenSigner
from holdfast.domain.assertions import ClientCredential, CredentialKind
from holdfast.errors import BackendUnavailable
from tests.support.certificates import self_signed
from tests.support.clock import VirtualClock
from tests.support.stubs import OneClient

HOST, RESOURCE = "v.kv.example", "https://kv.example"
TENANT = "6f9b1f6e-0f0a-5a51-8d7e-3b0c7a1d2e4f"
ENDPOINTS = frozenset(f"https://{HOST}/{name}/oauth2{v}/token" for name in (TENANT, "adfs") for v in ("", "/v2.0"))
ENDPOINT = f"https://{HOST}/{TENANT}/oauth2/v2.0/token"
KEY, CERTIFICATE = self_signed()
OTHER_KEY, OTHER = self_signed()

SHORT: Final = {"x5t#S256": SHA256, "x5t": SHA1}


def thumbprint(name: str = "x5t#S256", certificate: Any = CERTIFICATE) -> str:
    return base64.urlsafe_b64encode(certificate.fingerprint(SHORT[name]())).rstrip(b"=").decode()


def signed(*, key: Any = KEY, algorithm: str = "PS256", header: dict[str, Any] | None = None, **changes: Any) -> str:
    """An assertion as MSAL makes it, with claims that may be replaced or, with None, left out."""
    now = int(time.time())
    usual = {"aud": ENDPOINT, "iss": "app", "sub": "app", "jti": str(uuid4()), "nbf": now, "exp": now + 600}
    claims = {name: value for name, value in {**usual, **changes}.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"x5t#S256": thumbprint()} if header is None else header)


class Door:
    """Where a client shows what it signed."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.clock.move(time.time() - self.clock.now().timestamp())
        self.clients = OneClient("right")
        self.certify(CERTIFICATE)
        signer = TokenSigner(KeyRing(RingKey(bytes(32))), self.clock.now)
        self.tokens = ClientTokens(self.clients, signer, Audience(RESOURCE), TENANT, self.clock)
        self.assertions = Assertions(self.tokens, self.clients, None, self.clock)

    def certify(self, *certificates: Any) -> None:
        self.clients.credentials = tuple(
            ClientCredential(
                id=uuid4(),
                name=f"n{number}",
                kind=CredentialKind.CERTIFICATE,
                certificate=each.public_bytes(Encoding.PEM).decode(),
            )
            for number, each in enumerate(certificates)
        )

    def login(self, assertion: str, **changes: Any) -> AssertedLogin:
        usual: dict[str, Any] = {"client_id": "app", "resource": RESOURCE, "host": HOST, "ip_address": "10.0.0.1"}
        return AssertedLogin(assertion=assertion, endpoints=ENDPOINTS, **{**usual, **changes})

    async def shown(self, assertion: str, **changes: Any) -> str:
        login = self.login(assertion, **changes)
        token = (await self.assertions.issue(login)).token
        return self.tokens.authenticate(token, HOST)

    async def refused(self, assertion: str, why: Why, **changes: Any) -> str:
        with pytest.raises(AssertionRefused) as refusal:
            await self.shown(assertion, **changes)
        assert refusal.value.why is why, refusal.value
        return str(refusal.value)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize(
    ("algorithm", "name"), [("PS256", "x5t#S256"), ("RS256", "x5t"), ("RS256", "x5t#S256"), ("PS256", "x5t")]
)
async def test_what_microsofts_libraries_sign_logs_in(door: Door, algorithm: str, name: str) -> None:
    assert await door.shown(signed(algorithm=algorithm, header={name: thumbprint(name)})) == "app"


async def test_thumbprints_are_taken_as_the_libraries_write_them(door: Door) -> None:
    """Python keeps the padding, Go writes plain base64."""
    digest = CERTIFICATE.fingerprint(SHA256())
    for text in (base64.urlsafe_b64encode(digest), base64.b64encode(digest)):
        assert await door.shown(signed(header={"x5t#S256": text.decode()})) == "app"


@pytest.mark.parametrize("aud", [*sorted(ENDPOINTS), [ENDPOINT], ENDPOINT.replace(HOST, HOST + ":443")])
async def test_the_endpoint_is_taken_by_each_of_its_names(door: Door, aud: Any) -> None:
    assert await door.shown(signed(aud=aud)) == "app"


@pytest.mark.parametrize(
    "aud",
    [
        None,
        "",
        RESOURCE,
        f"https://{HOST}",
        ENDPOINT + "/",
        ENDPOINT.upper(),
        f"https://other.example/{TENANT}/oauth2/v2.0/token",
        f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token",
        [ENDPOINT, "https://other.example"],
        [ENDPOINT, ENDPOINT],
        {"x": ENDPOINT},
        1,
    ],
)
async def test_an_assertion_for_another_endpoint_is_refused(door: Door, aud: Any) -> None:
    await door.refused(signed(aud=aud), Why.AUDIENCE)


async def test_fractions_of_seconds_are_times(door: Door) -> None:
    now = time.time()
    assert await door.shown(signed(nbf=None, iat=now, exp=now + 600)) == "app"


@pytest.mark.parametrize(
    "times",
    [
        {"exp": -31},
        {"exp": None},
        {"exp": "600"},
        {"exp": True},
        {"exp": [600]},
        {"exp": 931},
        {"nbf": None, "exp": 931},
        {"nbf": 31},
        {"iat": 31},
        {"nbf": -800, "exp": 600},
        {"iat": "0"},
        {"exp": 1 << 50},
        {"exp": -(1 << 50)},
        {"exp": 10**400},
        {"nbf": 10**400},
        {"iat": -(10**400)},
    ],
)
async def test_an_assertion_is_good_for_a_quarter_of_an_hour_at_most(door: Door, times: dict[str, Any]) -> None:
    now = int(time.time())
    moved: dict[str, Any] = {name: now + value if type(value) is int else value for name, value in times.items()}
    await door.refused(signed(**moved), Why.TIMES)


async def test_nan_and_infinity_are_no_times(door: Door) -> None:
    for value in (float("nan"), float("inf")):
        await door.refused(signed(exp=value), Why.MALFORMED)


@pytest.mark.parametrize("changes", [{"sub": "other"}, {"sub": None}, {"sub": ["app"]}])
async def test_subject_and_issuer_are_the_client(door: Door, changes: dict[str, Any]) -> None:
    await door.refused(signed(**changes), Why.APPLICATION)


async def test_another_clients_assertion_is_none_of_this_one(door: Door) -> None:
    await door.refused(signed(iss="other", sub="other"), Why.NO_MATCH)
    await door.refused(signed(iss="other", sub="other"), Why.CERTIFICATE, client_id="other")


async def test_only_the_key_of_the_named_certificate_proves(door: Door) -> None:
    await door.refused(signed(key=OTHER_KEY), Why.CERTIFICATE)
    await door.refused(signed(key=OTHER_KEY, header={"x5t#S256": thumbprint(certificate=OTHER)}), Why.CERTIFICATE)
    door.certify(CERTIFICATE, OTHER)
    assert await door.shown(signed(key=OTHER_KEY, header={"x5t#S256": thumbprint(certificate=OTHER)})) == "app"
    await door.refused(signed(key=OTHER_KEY), Why.CERTIFICATE)
    both = {"x5t#S256": thumbprint(), "x5t": thumbprint("x5t", OTHER)}
    await door.refused(signed(header=both), Why.CERTIFICATE)


@pytest.mark.parametrize("named", [{}, {"x5t#S256": ""}, {"x5t#S256": None}, {"x5t#S256": ["x"]}, {"x5t": "=" * 60}])
async def test_without_a_thumbprint_nothing_is_found(door: Door, named: dict[str, Any]) -> None:
    await door.refused(signed(header=named), Why.CERTIFICATE)


async def test_keys_that_an_assertion_brings_along_are_not_believed(door: Door) -> None:
    chain = [base64.b64encode(OTHER.public_bytes(Encoding.DER)).decode()]
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True)
    for more in ({"x5c": chain}, {"jwk": jwk}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example"}):
        await door.refused(signed(key=OTHER_KEY, header={"x5t#S256": thumbprint(), **more}), Why.CERTIFICATE)
        assert await door.shown(signed(header={"x5t#S256": thumbprint(), **more})) == "app"


@pytest.mark.parametrize("algorithm", ["RS384", "PS512", "RS512", "none"])
async def test_the_certificate_decides_the_algorithm(door: Door, algorithm: str) -> None:
    await door.refused(signed(key=None if algorithm == "none" else KEY, algorithm=algorithm), Why.CERTIFICATE)


@pytest.mark.parametrize("algorithm", ["HS256", "ps256", "", "ES256", "EdDSA"])
async def test_the_public_key_is_no_shared_secret(door: Door, algorithm: str) -> None:
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = signed().split(".")
    changed = base64.urlsafe_b64decode(head + "==").replace(b"PS256", algorithm.encode())
    head = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
    mac = base64.urlsafe_b64encode(hmac.digest(public, f"{head}.{body}".encode(), "sha256")).rstrip(b"=").decode()
    for each in (mac, signature, ""):
        await door.refused(f"{head}.{body}.{each}", Why.CERTIFICATE)


async def test_an_expired_or_future_certificate_proves_nothing(door: Door) -> None:
    key, ended = self_signed(days=-1)
    door.certify(ended)
    await door.refused(signed(key=key, header={"x5t#S256": thumbprint(certificate=ended)}), Why.CERTIFICATE)


async def test_one_that_would_not_be_registered_today_proves_nothing(door: Door) -> None:
    _, weak = self_signed(bits=1024)
    door.certify(weak, CERTIFICATE)
    await door.refused(signed(header={"x5t#S256": thumbprint(certificate=weak)}), Why.CERTIFICATE)
    assert await door.shown(signed()) == "app"


async def test_a_shown_assertion_is_good_where_it_was_shown_and_nowhere_else(door: Door) -> None:
    """MSAL shows one again for nine minutes: for a second resource, or when the answer was lost."""
    assertion = signed()
    for _ in range(2):
        assert await door.shown(assertion, ip_address="2001:db8::1") == "app"
    assert await door.shown(assertion, ip_address="2001:db8::2") == "app"
    for elsewhere in ("10.0.0.2", "2001:db8:1::1", None):
        assert "from elsewhere" in await door.refused(assertion, Why.UNTRUSTED, ip_address=elsewhere)
        # Else whoever has it would be past the limit on guessing, and each attempt on record.
        assert not await door.assertions.proves(door.login(assertion, ip_address=elsewhere))
    assert await door.assertions.proves(door.login(assertion, ip_address="2001:db8::1"))


async def test_one_id_is_one_assertion(door: Door) -> None:
    assert await door.shown(signed(jti="one")) == "app"
    await door.refused(signed(jti="one", extra="more"), Why.UNTRUSTED)
    for key in (None, "", "a" * 257, 1, ["one"]):
        await door.refused(signed(jti=key), Why.UNTRUSTED)


async def test_a_refused_assertion_uses_up_no_id(door: Door) -> None:
    await door.refused(signed(jti="one", aud="x"), Why.AUDIENCE)
    login = door.login(signed(jti="one"))
    assert not await door.assertions.proves(replace(login, client_id="other"))
    assert door.clients.shown == {}
    assert await door.assertions.proves(login)


async def test_what_cannot_be_noted_lets_no_one_in(door: Door) -> None:
    door.clients.away = True
    with pytest.raises(BackendUnavailable):
        await door.shown(signed())
