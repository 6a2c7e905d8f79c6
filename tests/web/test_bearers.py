"""API tokens at the border: attack cases of identity and session, each answered without a trace of the input."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest

from holdfast.auth.bearers import Bearers
from holdfast.auth.limiter import MAX_BEARER_FAILURES, GuessLimits, source_of
from holdfast.domain.policy import Caller
from holdfast.errors import Throttled, Unauthenticated
from tests.support.clock import VirtualClock
from tests.support.https import Client
from tests.support.installation import Installation
from tests.support.node import audit, rows
from tests.support.stubs import NoIdentities
from tests.web.conftest import Stubbed

PATH = "/secrets/bearers?api-version=7.4"


@dataclass
class Token:
    """An application with a token, a secret it may read, and clients that speak for it."""

    installation: Installation
    text: str
    client: Client

    @property
    def dsn(self) -> str:
        assert self.installation.settings.database_url
        return self.installation.settings.database_url

    def with_token(self, text: str) -> Client:
        return replace(self.client, token=text)


@pytest.fixture
async def token(installation: Installation) -> AsyncIterator[Token]:
    service = installation.service
    await service.set_secret("bearers", "v")
    await service.identities.add("bearing")
    await service.grant_access("bearers", "bearing", ["get"])
    text = (await service.tokens.create("bearing")).token
    try:
        yield Token(installation, text, Client(installation.port, installation.ca_file, text))
    finally:
        await service.identities.remove("bearing")


async def test_a_token_opens_what_its_identity_may_and_is_on_record(token: Token) -> None:
    assert (await token.client.request("GET", PATH)).status == 200
    assert (await token.client.request("GET", PATH.replace("bearers", "other"))).status == 403
    assert ("bearing", "get", True) in [row[:3] for row in await audit(token.dsn, "bearers")]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda _: "",
        lambda _: "hf_",
        lambda _: "hf_" + "0" * 49,
        lambda _: "hf_\u00e9",
        lambda _: "x" * 20_000,
        lambda text: f"{text} {text}",
        lambda text: f'"{text}"',
        lambda text: text.lower(),
    ],
)
async def test_anything_but_the_very_token_is_401_and_all_answers_are_alike(
    token: Token, spoil: Callable[[str], str]
) -> None:
    wrong = await token.with_token(spoil(token.text)).request("GET", PATH)
    assert (wrong.status, wrong.codes) == (401, ("Unauthorized", None))
    assert wrong.header("www-authenticate")
    assert token.text[5:20].encode() not in wrong.body
    if spoil(token.text).startswith("hf_"):
        unknown = await token.with_token("hf_" + "1" * 49).request("GET", PATH)
        assert unknown.body == wrong.body


async def test_a_nul_in_a_token_is_no_http(token: Token) -> None:
    assert (await token.with_token("hf_\x00").request("GET", PATH)).status == 400


async def test_a_header_too_long_is_431(token: Token) -> None:
    assert (await token.with_token("x" * 100_000).request("GET", PATH)).status == 431


async def test_refused_tokens_are_on_record_without_themselves(token: Token) -> None:
    client = token.with_token(token.text[:-2] + "zz")
    answer = await client.request("GET", PATH, headers={"User-Agent": "probe/1"})
    found = await rows(
        token.dsn,
        "SELECT user_id, operation, success, error_code, user_agent, error_message FROM secret_access_logs "
        "WHERE request_id = $1",
        answer.header("x-ms-request-id"),
    )
    assert [row[:5] for row in found] == [("anonymous", "login", False, "unauthenticated", "probe/1")]
    assert token.text[3:20] not in str(found)


async def test_two_authorization_headers_or_one_in_the_url_are_400(token: Token) -> None:
    twice = {"authorization": f"Bearer {token.text}"}
    assert (await token.client.request("GET", PATH, headers=twice)).status == 400
    for url in (f"{PATH}&access_token={token.text}", f"{PATH}&access%5Ftoken={token.text}&access_token="):
        answer = await token.client.request("GET", url)
        assert (answer.status, answer.codes[0]) == (400, "BadParameter")
        assert token.text[5:20].encode() not in answer.body
        assert (await replace(token.client, token=None).request("GET", url)).status == 401


async def test_a_token_in_the_url_alone_proves_nothing(token: Token) -> None:
    for parameter in ("access_token", "token", "Authorization", "authorization"):
        answer = await replace(token.client, token=None).request("GET", f"{PATH}&{parameter}={token.text}")
        assert answer.status == 401


@pytest.mark.parametrize(
    "path", ["/secrets/bearers?api-version=7.4&next=/auth/login", "/secrets/bearers?x=/oauth2/v2.0/token", "/healthz/x"]
)
async def test_no_path_in_a_url_skips_the_login(token: Token, path: str) -> None:
    assert (await replace(token.client, token=None).request("GET", path)).status == 401


async def test_headers_that_claim_to_be_somebody_are_ignored(token: Token) -> None:
    claims = {
        "X-Forwarded-For": "10.9.9.9",
        "Forwarded": "for=10.9.9.9",
        "X-Real-IP": "10.9.9.9",
        "X-User-Id": "admin",
        "X-HTTP-Method-Override": "DELETE",
    }
    assert (await replace(token.client, token=None).request("GET", PATH, headers=claims)).status == 401
    answer = await token.client.request("GET", PATH, headers=claims)
    assert answer.status == 200
    assert await rows(
        token.dsn,
        "SELECT user_id, operation, ip_address FROM secret_access_logs WHERE request_id = $1",
        answer.header("x-ms-request-id"),
    ) == [("bearing", "get", "127.0.0.1")]
    bound = await token.installation.service.tokens.create("bearing", networks=["10.0.0.0/8"])
    assert (await token.with_token(bound.token).request("GET", PATH, headers=claims)).status == 401


async def test_i6_a_disabled_identity_is_out_at_once_by_every_credential(token: Token) -> None:
    installation, service = token.installation, token.installation.service
    secret = await service.add_client("bearing")
    client = await installation.client("bearing", secret)
    assert (await client.request("GET", PATH)).status == 200
    await service.identities.disable("bearing")
    assert (await client.request("GET", PATH)).status == 401
    assert (await token.client.request("GET", PATH)).status == 401
    form = f"grant_type=client_credentials&client_id=bearing&client_secret={secret}&scope={client.url}/.default"
    answer = await replace(client, token=None).request(
        "POST",
        f"/{installation.tenant}/oauth2/v2.0/token",
        form.encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status == 401
    await service.identities.enable("bearing")
    assert (await client.request("GET", PATH)).status == 200


# --- limits on guessing


def bearers_on(stubbed: Stubbed) -> tuple[Bearers, NoIdentities, VirtualClock]:
    clock, identities = VirtualClock(), NoIdentities()
    return Bearers(stubbed.tokens, identities, GuessLimits(clock.monotonic)), identities, clock


async def test_guessing_ends_in_waiting_and_the_record_stays_bounded(stubbed: Stubbed) -> None:
    bearers, identities, clock = bearers_on(stubbed)
    guesser = Caller("anonymous", ip_address="192.0.2.1")
    outcomes = []
    for _ in range(MAX_BEARER_FAILURES + 50):
        with pytest.raises((Unauthenticated, Throttled)) as refused:
            await bearers.prove("hf_guess", "127.0.0.1", guesser)
        outcomes.append(type(refused.value))
    assert outcomes == [Unauthenticated] * MAX_BEARER_FAILURES + [Throttled] * 50
    assert identities.refused == MAX_BEARER_FAILURES
    with pytest.raises(Unauthenticated):
        await bearers.prove("hf_guess", "127.0.0.1", Caller(guesser.id, ip_address="192.0.2.2"))
    clock.move(1)
    with pytest.raises(Unauthenticated):
        await bearers.prove("hf_guess", "127.0.0.1", guesser)


async def test_a_right_token_is_never_made_to_wait_for_the_guesses_of_others(stubbed: Stubbed) -> None:
    bearers, _, _ = bearers_on(stubbed)
    same_address = Caller("anonymous", ip_address="192.0.2.1")
    for _ in range(MAX_BEARER_FAILURES + 1):
        with pytest.raises((Unauthenticated, Throttled)):
            await bearers.prove("x.y.z", "127.0.0.1", same_address)
    host = stubbed.anonymous.authority
    assert (await bearers.prove(stubbed.client.token or "", host, same_address)).identity == "app"


async def test_guesses_at_one_client_from_everywhere_are_counted_on_one_counter(token: Token) -> None:
    """A thousand addresses guess at one client: they are told to wait, the client itself logs in."""
    service, tokens = token.installation.service, token.installation
    secret = await service.add_client("bearing")
    limits = GuessLimits(VirtualClock().monotonic)
    for number in range(100):
        limits.identities.failed("bearing")
        assert limits.logins.retry_after_s(source_of(f"10.0.{number}.1")) == 0
    assert limits.identities.retry_after_s("bearing") > 0
    assert limits.identities.retry_after_s("other") == 0
    await asyncio.gather(*(tokens.client("bearing", secret) for _ in range(3)))


def test_a_source_is_an_address_or_a_customers_network() -> None:
    assert source_of("192.0.2.1") != source_of("192.0.2.2")
    assert source_of("2001:db8::1") == source_of("2001:db8::2") != source_of("2001:db8:0:1::1")
    assert source_of(None) == ""
