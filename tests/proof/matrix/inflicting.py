"""How each fault is brought about in an installation of real processes, and taken away again."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from tests.proof.history.blows import read_only
from tests.proof.history.installation import Installation
from tests.proof.history.links import Link, Wrong
from tests.proof.matrix.cells import Fault, Ill, Part

STRIKE_AFTER_S: Final = 0.05
"""From the moment at which a node is asked: requests are under way then."""

Strike = Callable[[], None]
"""What happens while requests are under way."""

_OPERATIONS: Final = (
    *("get", "set", "update", "delete", "recover", "purge", "list", "versions", "deleted", "list_deleted"),
)
_MANY: Final = 20_000
_SERVED: Final[Mapping[Ill, dict[str, Any]]] = {
    Ill.DRIP: {"drip": 0.2},
    Ill.CUT: {"cut_after": 20},
    Ill.THROTTLE: {"status": 429, "code": "Throttled", "headers": {"Retry-After": "1"}},
    Ill.FAIL: {"status": 503, "code": "ServiceUnavailable"},
}
"""What the vault does by itself; its link does the rest."""

_ALONE: Final = frozenset({Ill.FULL_ALONE, Ill.EIO_ALONE})


@asynccontextmanager
async def inflicted(made: Installation, fault: Fault) -> AsyncIterator[Strike]:
    """The fault is there for the length of a block. What it yields is to be called while requests are under way."""
    inflict = {
        Part.VAULT: _vault,
        Part.TOKENS: _tokens,
        Part.POSTGRES: _postgres,
        Part.REDIS: _redis,
        Part.AUDIT: _audit_file,
        Part.NODE: _node,
    }
    async with inflict[fault.part](made, fault.ill) as strike:
        yield strike


@asynccontextmanager
async def _vault(made: Installation, ill: Ill) -> AsyncIterator[Strike]:
    async with _served(made, ill, *_OPERATIONS) if ill in _SERVED else _linked([made.links["vault"]], ill) as strike:
        yield strike


@asynccontextmanager
async def _tokens(made: Installation, ill: Ill) -> AsyncIterator[Strike]:
    """Tokens that nodes have are taken back, or no one would miss the endpoint for an hour."""
    async with _served(made, ill, "token") if ill in _SERVED else _linked([made.links["token"]], ill) as strike:
        made.vault.revoke_tokens()
        yield strike


@asynccontextmanager
async def _served(made: Installation, ill: Ill, *operations: str) -> AsyncIterator[Strike]:
    for operation in operations:
        made.vault.fail(operation, times=_MANY, **_SERVED[ill])
    try:
        yield _nothing
    finally:
        made.vault.heal()


@asynccontextmanager
async def _linked(links: list[Link], ill: Ill) -> AsyncIterator[Strike]:
    wrong = Wrong(ill.value)

    def fail() -> None:
        for link in links:
            link.fail(wrong)

    fail()
    try:
        yield fail if wrong is Wrong.RESET else _nothing
    finally:
        for link in links:
            link.heal()


@asynccontextmanager
async def _postgres(made: Installation, ill: Ill) -> AsyncIterator[Strike]:
    if ill is Ill.READ_ONLY:
        async with read_only(made):
            yield _nothing
        return
    async with _linked(_links(made, "postgres"), ill) as strike:
        yield strike


@asynccontextmanager
async def _redis(made: Installation, ill: Ill) -> AsyncIterator[Strike]:
    async with _linked(_links(made, "redis"), ill) as strike:
        yield strike


@asynccontextmanager
async def _audit_file(made: Installation, ill: Ill) -> AsyncIterator[Strike]:
    full = ill in {Ill.FULL, Ill.FULL_ALONE}
    async with AsyncExitStack() as stack:
        for node in made.nodes:
            stack.enter_context(node.shim.told(full=full, sync_fails=not full))
        if ill in _ALONE:
            await stack.enter_async_context(_linked(_links(made, "postgres"), Ill.REFUSE))
        yield _nothing


@asynccontextmanager
async def _node(made: Installation, ill: Ill) -> AsyncIterator[Strike]:
    node = made.nodes[0]
    process = node.process
    assert process is not None
    number = signal.SIGKILL if ill is Ill.KILL else signal.SIGSTOP
    try:
        yield lambda: process.send_signal(number) if process.returncode is None else None
    finally:
        if ill is Ill.STOP:
            process.send_signal(signal.SIGCONT)
        else:
            await process.wait()
            await node.start()


def _links(made: Installation, kind: str) -> list[Link]:
    return [link for name, link in made.links.items() if name.startswith(f"{kind}-")]


def _nothing() -> None:
    """Nothing more happens."""


async def strike_soon(strike: Strike) -> None:
    """Let it happen while requests are under way."""
    await asyncio.sleep(STRIKE_AFTER_S)
    strike()
