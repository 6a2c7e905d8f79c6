from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import pytest

from holdfast.auth.clients import MAX_REMEMBERED, TOKEN_LIFETIME, ClientTokens
from holdfast.auth.resource import Audience
from holdfast.crypto.keyring import KeyRing, RingKey
from holdfast.crypto.tokens import TokenSigner
from holdfast.domain.policy import MAX_IDENTITY_LENGTH, Caller
from holdfast.errors import InvalidInput, Unauthenticated
from holdfast.ports import Registration
from tests.support.clock import VirtualClock
from tests.support.stubs import OneClient

HOST = "127.0.0.1:8200"
RESOURCE = f"https://{HOST}"
TENANT = "6f9b1f6e-0f0a-5a51-8d7e-3b0c7a1d2e4f"


class CountingSigner:
    """Counts how often a signature is really checked."""

    def __init__(self, clock: VirtualClock) -> None:
        self._signer = TokenSigner(KeyRing(RingKey(bytes(32))), clock.now)
        self.verified = 0

    def sign(self, claims: Mapping[str, Any]) -> str:
        return self._signer.sign(claims)

    def verify(self, token: str) -> Mapping[str, Any]:
        self.verified += 1
        return self._signer.verify(token)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def signer(clock: VirtualClock) -> CountingSigner:
    return CountingSigner(clock)


@pytest.fixture
def registered() -> OneClient:
    return OneClient("right")


@pytest.fixture
def tokens(registered: OneClient, signer: CountingSigner, clock: VirtualClock) -> ClientTokens:
    return ClientTokens(registered, cast("TokenSigner", signer), Audience("https://kv.example"), TENANT, clock)


async def issued(tokens: ClientTokens, resource: str = RESOURCE) -> str:
    return (await tokens.issue("app", "right", resource, HOST)).token


async def test_a_right_secret_gives_a_token_that_proves_the_client(tokens: ClientTokens) -> None:
    assert tokens.authenticate(await issued(tokens), HOST) == "app"


async def test_a_token_says_who_asked_in_the_claims_that_clients_of_entra_look_for(
    tokens: ClientTokens, signer: CountingSigner
) -> None:
    said = signer.verify(await issued(tokens))
    assert (said["sub"], said["appid"], said["azp"]) == ("app", "app", "app")
    assert (said["idtyp"], said["ver"], said["tid"]) == ("app", "2.0", TENANT)
    assert said["oid"] == "5e3c85c0-7151-56c0-85f1-c951a5030509", "the same for ever: others write it into their rules"


async def test_the_object_id_is_of_one_client_in_one_tenant(
    tokens: ClientTokens, registered: OneClient, signer: CountingSigner, clock: VirtualClock
) -> None:
    foreign = str(UUID(int=1))
    other = ClientTokens(registered, cast("TokenSigner", signer), Audience(), foreign, clock)
    assert len({tokens.object_id("app"), tokens.object_id("App"), other.object_id("app")}) == 3


async def test_the_longest_names_still_make_a_token_that_is_taken(signer: CountingSigner, clock: VirtualClock) -> None:
    longest, host = '"' * MAX_IDENTITY_LENGTH, f"{'a' * 253}:65535"

    class AnyClient(OneClient):
        async def authenticate_client(self, client_id: str, client_secret: str, *, ip_address: str | None) -> Caller:
            return Caller(client_id)

        def client_registration(self, client_id: str) -> Registration | None:
            return super().client_registration("app")

    tokens = ClientTokens(AnyClient("right"), cast("TokenSigner", signer), Audience(), TENANT, clock)
    token = (await tokens.issue(longest, "right", f"https://{host}", host)).token
    assert tokens.authenticate(token, host) == longest


async def test_a_wrong_secret_gives_nothing(tokens: ClientTokens) -> None:
    with pytest.raises(Unauthenticated):
        await tokens.issue("app", "wrong", RESOURCE, HOST)


async def test_no_token_is_issued_for_azure(tokens: ClientTokens) -> None:
    with pytest.raises(InvalidInput) as refused:
        await issued(tokens, "https://vault.azure.net")
    assert refused.value.field == "scope"


async def test_a_signature_is_checked_once(tokens: ClientTokens, signer: CountingSigner) -> None:
    token = await issued(tokens)
    for _ in range(3):
        tokens.authenticate(token, HOST)
    assert signer.verified == 1


async def test_a_forged_token_is_checked_and_refused_every_time(tokens: ClientTokens, signer: CountingSigner) -> None:
    forged = (await issued(tokens))[:-6] + "AAAAAA"
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            tokens.authenticate(forged, HOST)
    assert signer.verified == 2


async def test_a_remembered_token_expires(tokens: ClientTokens, clock: VirtualClock) -> None:
    token = await issued(tokens)
    tokens.authenticate(token, HOST)
    clock.move(TOKEN_LIFETIME.total_seconds() + 31)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.authenticate(token, HOST)


async def test_i6_a_removed_clients_token_stops_at_once(tokens: ClientTokens, registered: OneClient) -> None:
    token = await issued(tokens)
    tokens.authenticate(token, HOST)
    registered.active = False
    with pytest.raises(Unauthenticated, match="removed"):
        tokens.authenticate(token, HOST)


async def test_i6_a_client_registered_anew_at_once_does_not_revive_old_tokens(
    tokens: ClientTokens, registered: OneClient
) -> None:
    token = await issued(tokens)
    registered.secret = "another"
    with pytest.raises(Unauthenticated, match="removed"):
        tokens.authenticate(token, HOST)
    anew = (await tokens.issue("app", "another", RESOURCE, HOST)).token
    assert tokens.authenticate(anew, HOST) == "app"


async def test_i6_a_client_registered_anew_during_a_login_gives_nothing_to_the_old_secret(
    signer: CountingSigner, clock: VirtualClock
) -> None:
    class Meanwhile(OneClient):
        async def authenticate_client(self, client_id: str, client_secret: str, *, ip_address: str | None) -> Caller:
            caller = await super().authenticate_client(client_id, client_secret, ip_address=ip_address)
            self.secret = "another"
            return caller

    meanwhile = Meanwhile("right")
    tokens = ClientTokens(meanwhile, cast("TokenSigner", signer), Audience("https://kv.example"), TENANT, clock)
    token = await issued(tokens)
    with pytest.raises(Unauthenticated, match="removed"):
        tokens.authenticate(token, HOST)


async def test_i6_a_token_that_names_no_registration_is_good_for_one_from_before_it(
    tokens: ClientTokens, signer: CountingSigner, registered: OneClient, clock: VirtualClock
) -> None:
    """Those of the release before, for the rest of their hour."""
    token = signer.sign(claims(clock))
    assert tokens.authenticate(token, HOST) == "app"
    registered.registered_at = clock.now()
    with pytest.raises(Unauthenticated, match="removed"):
        tokens.authenticate(token, HOST)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8200", "v.kv.example", "vault.azure.net"])
async def test_a_token_is_good_for_its_audience_only(tokens: ClientTokens, host: str) -> None:
    token = await issued(tokens)
    tokens.authenticate(token, HOST)
    with pytest.raises(Unauthenticated, match="AKV10022"):
        tokens.authenticate(token, host)


def claims(clock: VirtualClock, **changes: object) -> dict[str, object]:
    now = int(clock.now().timestamp())
    usual = {
        "iss": "x",
        "sub": "app",
        "aud": RESOURCE,
        "jti": "1",
        "tid": TENANT,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
    }
    return {**usual, **changes}


@pytest.mark.parametrize("audience", ["https://vault.azure.net", RESOURCE + "/", "127.0.0.1:8200", "https://127.0.0.1"])
async def test_foreign_audiences_are_refused_however_well_signed(
    tokens: ClientTokens, signer: CountingSigner, clock: VirtualClock, audience: str
) -> None:
    with pytest.raises(Unauthenticated, match="AKV10022"):
        tokens.authenticate(signer.sign(claims(clock, aud=audience)), HOST)


@pytest.mark.parametrize("tenant", ["other", None, TENANT.upper()])
async def test_a_token_of_another_tenant_is_refused(
    tokens: ClientTokens, signer: CountingSigner, clock: VirtualClock, tenant: str | None
) -> None:
    with pytest.raises(Unauthenticated, match="AKV10032"):
        tokens.authenticate(signer.sign(claims(clock, tid=tenant)), HOST)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "." * 10, "a" * 100_000, "\udcff"])
async def test_what_is_no_token_is_refused(tokens: ClientTokens, token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.authenticate(token, HOST)


async def test_the_memory_for_tokens_is_bounded(
    tokens: ClientTokens, signer: CountingSigner, clock: VirtualClock
) -> None:
    first = signer.sign(claims(clock, jti="0"))
    tokens.authenticate(first, HOST)
    tokens._remembered.update({str(number).encode(): tokens._verified(first) for number in range(MAX_REMEMBERED)})
    tokens.authenticate(signer.sign(claims(clock, jti="1")), HOST)
    assert len(tokens._remembered) <= MAX_REMEMBERED + 1
