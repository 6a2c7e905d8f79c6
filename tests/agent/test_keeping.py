"""How long a token is handed out, and what an outage of the server changes about that."""

import asyncio

import pytest

from holdfast import identity_wire as wire
from holdfast.agent.credentials import ClientSecret, Credential
from holdfast.agent.keeping import MAX_KEPT, RETRY_S, Tokens
from holdfast.errors import BackendUnavailable, ConfigurationError, HoldfastError, Throttled, Unauthenticated
from tests.support.clock import VirtualClock

R = "https://vault.example.com"
LIFE = 3600


class Server:
    """Gives numbered tokens that are good for an hour."""

    address = "https://my.vault.example.com"

    def __init__(self) -> None:
        self.error: HoldfastError | None = None
        self.asked: list[Credential] = []
        self.skew_s = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def token(self, credential: Credential, resource: str, now_s: int) -> wire.Grant:
        self.asked.append(credential)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        begins = now_s + self.skew_s
        return wire.Grant(f"t{len(self.asked)}", resource, credential.client_id, begins, begins + LIFE)


class InFile:
    """A credential that is replaced, or out of reach."""

    def __init__(self) -> None:
        self.now: Credential | None = ClientSecret("app", "first")

    def read(self) -> Credential:
        if self.now is None:
            raise ConfigurationError(["the file cannot be read"])
        return self.now


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
def source() -> InFile:
    return InFile()


@pytest.fixture
def tokens(server: Server, source: InFile, clock: VirtualClock) -> Tokens:
    return Tokens(server, source, clock)


async def got(tokens: Tokens) -> str:
    return (await tokens.get(R)).token


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_token_is_handed_out_again_through_the_first_half_of_its_life(
    tokens: Tokens, server: Server, clock: VirtualClock
) -> None:
    assert [await got(tokens), await got(tokens)] == ["t1", "t1"]
    clock.move(LIFE / 2 - 1)
    assert await got(tokens) == "t1"
    await settled()
    assert len(server.asked) == 1


async def test_in_the_second_half_it_is_renewed_while_no_one_waits(
    tokens: Tokens, server: Server, clock: VirtualClock
) -> None:
    await got(tokens)
    clock.move(LIFE / 2 + 1)
    server.gate.clear()
    assert await got(tokens) == "t1"
    assert await got(tokens) == "t1"
    server.gate.set()
    await settled()
    assert await got(tokens) == "t2"
    assert len(server.asked) == 2


async def test_near_its_end_a_new_one_is_waited_for(tokens: Tokens, server: Server, clock: VirtualClock) -> None:
    await got(tokens)
    clock.move(LIFE - 299)
    assert await got(tokens) == "t2"


@pytest.mark.parametrize("error", [BackendUnavailable("away"), Throttled("later", retry_after_s=1)])
async def test_while_the_server_is_away_a_token_is_handed_out_to_its_end(
    tokens: Tokens, server: Server, clock: VirtualClock, error: HoldfastError
) -> None:
    await got(tokens)
    server.error = error
    clock.move(LIFE - 1)
    assert await got(tokens) == "t1"
    clock.move(1)
    with pytest.raises(type(error)):
        await got(tokens)
    server.error = None
    assert (await got(tokens)).startswith("t")


async def test_an_outage_is_not_asked_about_at_every_question(
    tokens: Tokens, server: Server, clock: VirtualClock
) -> None:
    await got(tokens)
    server.error = BackendUnavailable("away")
    clock.move(LIFE / 2 + 1)
    for _ in range(20):
        await got(tokens)
        await settled()
    assert len(server.asked) == 2
    clock.move(RETRY_S)
    await got(tokens)
    await settled()
    assert len(server.asked) == 3


async def test_what_the_server_refuses_is_handed_out_no_more(
    tokens: Tokens, server: Server, clock: VirtualClock
) -> None:
    await got(tokens)
    server.error = Unauthenticated("removed")
    clock.move(LIFE / 2 + 1)
    assert await got(tokens) == "t1"
    await settled()
    with pytest.raises(Unauthenticated):
        await got(tokens)


async def test_a_replaced_credential_counts_at_once(tokens: Tokens, server: Server, source: InFile) -> None:
    await got(tokens)
    source.now = ClientSecret("app", "second")
    assert await got(tokens) == "t2"
    assert server.asked[-1] == source.now


async def test_a_replaced_credential_ends_nothing_while_the_server_is_away(
    tokens: Tokens, server: Server, source: InFile
) -> None:
    """Kubernetes replaces a pod's token every hour, whatever else is down."""
    await got(tokens)
    source.now, server.error = ClientSecret("app", "second"), BackendUnavailable("away")
    assert await got(tokens) == "t1"


async def test_a_credential_that_is_being_replaced_is_the_last_one(
    tokens: Tokens, server: Server, source: InFile, clock: VirtualClock
) -> None:
    await got(tokens)
    source.now = None
    clock.move(LIFE)
    assert await got(tokens) == "t2"


async def test_without_any_credential_nothing_is_asked(tokens: Tokens, server: Server, source: InFile) -> None:
    source.now = None
    with pytest.raises(ConfigurationError):
        await got(tokens)
    assert server.asked == []


async def test_many_who_ask_at_once_are_one_question(tokens: Tokens, server: Server) -> None:
    assert set(await asyncio.gather(*(got(tokens) for _ in range(50)))) == {"t1"}
    assert len(server.asked) == 1


@pytest.mark.parametrize("skew_s", [-LIFE, LIFE, 10**9])
async def test_a_wrong_clock_of_the_machine_makes_no_token_last_longer(
    tokens: Tokens, server: Server, clock: VirtualClock, skew_s: int
) -> None:
    server.skew_s = skew_s
    await got(tokens)
    clock.move(LIFE)
    assert await got(tokens) == "t2"


async def test_what_is_kept_is_bounded(tokens: Tokens) -> None:
    for number in range(3 * MAX_KEPT):
        await tokens.get(f"https://{number}.example.com")
    assert len(tokens._kept) == MAX_KEPT


async def test_closing_gives_up_what_is_under_way(tokens: Tokens, server: Server) -> None:
    server.gate.clear()
    waiting = asyncio.create_task(got(tokens))
    await settled()
    await tokens.aclose()
    with pytest.raises(BackendUnavailable):
        await waiting
