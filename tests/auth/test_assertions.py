"""Assertions that somebody else signed, and everything that is done to let one in that is not meant."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any, cast
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.auth.asserted import AssertedLogin, AssertionRefused, Why
from holdfast.auth.assertions import Assertions
from holdfast.auth.clients import ClientTokens
from holdfast.auth.resource import Audience
from holdfast.crypto.keyring import KeyRing, RingKey
from holdfast.crypto.tokens import TokenSigner
from holdfast.domain.assertions import ENTRA_EXCHANGE, ClientCredential, CredentialKind
from holdfast.errors import BackendUnavailable, InvalidInput, Unauthenticated
from tests.auth.border import AUDIENCE, Border, trusting
from tests.support.issuer import LocalIssuer
from tests.support.stubs import OneClient

HOST = "v.kv.example"
RESOURCE = "https://kv.example"
TENANT = "6f9b1f6e-0f0a-5a51-8d7e-3b0c7a1d2e4f"
SUBJECT = "system:serviceaccount:shop:api"
CLAIMS = {"sub": SUBJECT, "aud": "for-the-client"}


class Door:
    """Where assertions of one issuer are shown."""

    def __init__(self, issuer: LocalIssuer, **settings: Any) -> None:
        self.issuer, self.border = issuer, Border(trusting(issuer, **settings))
        self.clients = OneClient("right")
        self.clients.credentials = (self.credential(),)
        signer = TokenSigner(KeyRing(RingKey(bytes(32))), self.border.clock.now)
        self.tokens = ClientTokens(self.clients, signer, Audience(RESOURCE), TENANT, self.border.clock)
        self.assertions = Assertions(self.tokens, self.clients, self.border.issuers, self.border.clock)

    def credential(self, **changes: str) -> ClientCredential:
        terms = {"issuer": self.issuer.url, "subject": SUBJECT, "audience": "for-the-client", **changes}
        return ClientCredential(id=uuid4(), name="k8s", kind=CredentialKind.FEDERATED, **cast("Any", terms))

    async def shown(self, assertion: str, client_id: str = "app", resource: str = RESOURCE) -> str:
        login = AssertedLogin(
            client_id=client_id,
            assertion=assertion,
            resource=resource,
            host=HOST,
            endpoints=frozenset(),
            ip_address=None,
        )
        issued = await self.assertions.issue(login)
        assert await self.assertions.proves(login)
        return issued.token

    async def refused(self, assertion: str, why: Why, client_id: str = "app") -> str:
        with pytest.raises(AssertionRefused) as refusal:
            await self.shown(assertion, client_id)
        assert refusal.value.why is why
        assert refusal.value.__context__ is None or refusal.value.__suppress_context__
        return str(refusal.value)


@pytest.fixture
def door(issuer: LocalIssuer) -> Door:
    return Door(issuer)


async def test_exactly_the_registered_claims_log_in(door: Door) -> None:
    assert door.tokens.authenticate(await door.shown(door.issuer.token(CLAIMS)), HOST) == "app"


async def test_an_audience_alone_in_a_list_is_the_audience(door: Door) -> None:
    """As Kubernetes writes it."""
    assert await door.shown(door.issuer.token({**CLAIMS, "aud": ["for-the-client"]}))


@pytest.mark.parametrize(
    ("changes", "term"),
    [
        ({"sub": SUBJECT + "x"}, "subject"),
        ({"sub": SUBJECT.upper()}, "subject"),
        ({"sub": "system:serviceaccount:shop:*"}, "subject"),
        ({"aud": "for-the-client/"}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": ["for-the-client", "another"]}, "audience"),
        ({"aud": ["for-the-client", "for-the-client"]}, "audience"),
        ({"aud": [["for-the-client"]]}, "audience"),
        ({"aud": {"for-the-client": 1}}, "audience"),
        ({"aud": ENTRA_EXCHANGE}, "audience"),
        ({"aud": AUDIENCE}, "audience"),
    ],
)
async def test_any_other_claim_is_refused_and_the_record_says_which(
    door: Door, changes: Mapping[str, Any], term: str
) -> None:
    said = await door.refused(door.issuer.token({**CLAIMS, **changes}), Why.NO_MATCH)
    assert said.endswith(f"has the assertion's {term}.")
    assert SUBJECT not in said


@pytest.mark.parametrize("subject", [None, "", [SUBJECT], 1])
async def test_an_assertion_that_names_no_one_is_refused(door: Door, subject: object) -> None:
    await door.refused(door.issuer.token({**CLAIMS, "sub": subject}), Why.UNTRUSTED)


async def test_terms_of_two_credentials_are_not_mixed(door: Door) -> None:
    door.clients.credentials = (door.credential(subject="one"), door.credential(audience="other"))
    assert await door.shown(door.issuer.token({"sub": "one", "aud": "for-the-client"}))
    await door.refused(door.issuer.token({"sub": "one", "aud": "other"}), Why.NO_MATCH)


async def test_entras_exchange_audience_does_where_it_was_named(door: Door) -> None:
    door.clients.credentials = (door.credential(audience=ENTRA_EXCHANGE),)
    assert await door.shown(door.issuer.token({**CLAIMS, "aud": ENTRA_EXCHANGE}))


async def test_another_client_or_a_disabled_one_gets_the_same_refusal(door: Door) -> None:
    token = door.issuer.token(CLAIMS)
    wrong = await door.refused(door.issuer.token({**CLAIMS, "iss": None}), Why.NO_MATCH)
    assert wrong == "The assertion names no trusted issuer."
    await door.refused(token, Why.NO_MATCH, client_id="another")
    door.clients.active = False
    await door.refused(token, Why.NO_MATCH)


async def test_no_one_logs_in_whose_identity_at_the_issuer_is_disabled_here(door: Door) -> None:
    door.clients.disabled.add(f"idp:{SUBJECT}")
    assert "disabled" in await door.refused(door.issuer.token(CLAIMS), Why.NO_MATCH)


async def test_what_is_required_of_the_issuers_tokens_holds_here_too(issuer: LocalIssuer) -> None:
    door = Door(issuer, required_claims={"repository_owner_id": ("65",)})
    await door.refused(issuer.token(CLAIMS), Why.UNTRUSTED)
    await door.refused(issuer.token({**CLAIMS, "repository_owner_id": 65}), Why.UNTRUSTED)
    assert await door.shown(issuer.token({**CLAIMS, "repository_owner_id": "65"}))


@pytest.mark.parametrize(
    "times",
    [
        {"exp": -40},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 0.5},
        {"exp": True},
        {"nbf": 40},
        {"iat": 40},
        {"iat": None, "nbf": None},
        {"exp": 86_500},
        {"iat": None, "exp": 86_500},
    ],
)
async def test_times_are_whole_numbers_within_a_day(door: Door, times: Mapping[str, Any]) -> None:
    now = int(time.time())
    moved = {name: now + value if type(value) in {int, float} else value for name, value in times.items()}
    await door.refused(door.issuer.token({**CLAIMS, **moved}), Why.UNTRUSTED)


async def test_clocks_may_differ_by_half_a_minute(door: Door) -> None:
    now = int(time.time())
    assert await door.shown(door.issuer.token({**CLAIMS, "exp": now - 20}))
    assert await door.shown(door.issuer.token({**CLAIMS, "nbf": now + 20, "iat": now + 20}))


def forged(header: Mapping[str, Any] | str, claims: Mapping[str, Any] | str, signature: bytes = b"x" * 256) -> str:
    parts = (header if isinstance(header, str) else json.dumps(header)).encode()
    rest = (claims if isinstance(claims, str) else json.dumps(claims)).encode()
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (parts, rest, signature))


async def test_forged_and_confused_signatures_prove_nothing(door: Door) -> None:
    issuer = door.issuer
    now = int(time.time())
    claims = {**CLAIMS, "iss": issuer.url, "iat": now, "exp": now + 600}
    public = issuer.keys["key-1"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    own = jwt.encode(claims, "s" * 32, "HS256", headers={"kid": "key-1"})
    await door.refused(own, Why.UNTRUSTED)
    for algorithm in ("none", "HS256", "PS256", "ES256", "RS1", "", None, ["RS256"]):
        header = {"alg": algorithm, "kid": "key-1", "jwk": issuer.public_keys()[0], "jku": f"{issuer.url}/keys"}
        with pytest.raises(AssertionRefused):
            await door.shown(forged(header, claims))
    signed = issuer.token(CLAIMS)
    head, _, signature = signed.split(".")
    body = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "else"}).encode()).rstrip(b"=").decode()
    await door.refused(f"{head}.{body}.{signature}", Why.UNTRUSTED)
    assert public


async def test_what_is_read_in_two_ways_is_not_read(door: Door) -> None:
    now = int(time.time())
    claims = json.dumps({**CLAIMS, "iss": door.issuer.url, "iat": now, "exp": now + 600})
    twice = claims[:-1] + f', "sub": "{SUBJECT}"}}'
    header = {"alg": "RS256", "kid": "key-1"}
    for head, body in (
        (header, twice),
        ('{"alg": "none", "alg": "RS256", "kid": "key-1"}', claims),
        ({**header, "crit": ["exp"]}, claims),
        ({**header, "b64": False}, claims),
        ({**header, "zip": "DEF"}, claims),
        (header, claims.replace(str(now + 600), "NaN")),
        (header, claims.replace(str(now + 600), "Infinity")),
        (header, "[]"),
        (header, '"' + "a" * 40 + '"'),
        (header, "[" * 5_000),
    ):
        await door.refused(forged(head, body), Why.MALFORMED)


@pytest.mark.parametrize(
    "text",
    ["a", "a.b", "a.b.c.d", "a.b.c.d.e", "..", "a b.c.d", "a.b.c\n", "\N{GREEK SMALL LETTER ALPHA}.b.c", "a" * 20_000],
)
async def test_what_is_no_assertion_is_refused(door: Door, text: str) -> None:
    await door.refused(text, Why.MALFORMED)


async def test_an_unknown_issuer_is_not_asked(door: Door) -> None:
    await door.refused(door.issuer.token({**CLAIMS, "iss": "https://evil.example"}), Why.NO_MATCH)
    assert door.issuer.asked == []


async def test_where_no_issuer_is_trusted_there_are_no_assertions(door: Door) -> None:
    door.assertions = Assertions(door.tokens, door.clients, None, door.border.clock)
    await door.refused(door.issuer.token(CLAIMS), Why.NO_MATCH)


async def test_a_rolled_key_counts_and_a_withdrawn_one_does_not(door: Door) -> None:
    issuer, clock = door.issuer, door.border.clock
    first = issuer.token(CLAIMS)
    assert await door.shown(first)
    issuer.roll("key-2")
    clock.move(20)
    assert await door.shown(issuer.token(CLAIMS))
    issuer.withdraw("key-1")
    clock.move(11)
    issuer.roll("key-3")
    assert await door.shown(issuer.token(CLAIMS))
    await door.refused(first, Why.UNTRUSTED)


async def test_without_the_issuers_keys_it_is_not_the_clients_fault(door: Door) -> None:
    door.issuer.down = True
    with pytest.raises(BackendUnavailable):
        await door.shown(door.issuer.token(CLAIMS))


async def test_no_token_is_issued_for_another_resource(door: Door) -> None:
    with pytest.raises(InvalidInput) as refused:
        await door.shown(door.issuer.token(CLAIMS), resource="https://vault.azure.net")
    assert refused.value.field == "scope"


async def test_i6_a_token_ends_with_the_credential_that_it_was_given_for(door: Door) -> None:
    token = await door.shown(door.issuer.token(CLAIMS))
    kept = door.clients.credentials
    door.clients.credentials = (door.credential(),)
    with pytest.raises(Unauthenticated, match="removed"):
        door.tokens.authenticate(token, HOST)
    door.clients.credentials = kept
    assert door.tokens.authenticate(token, HOST) == "app"
    door.clients.active = False
    with pytest.raises(Unauthenticated, match="removed"):
        door.tokens.authenticate(token, HOST)
