"""Where attempts at the primary store meet patience, breakers and quota. It answers only what the vault says."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, TypeVar

from holdfast.domain.names import SecretName
from holdfast.errors import BackendRefused, BackendUnavailable, OutcomeUnknown, Throttled
from holdfast.ports import Clock, OddEntry, Side, Vault, VaultVersion, traced
from holdfast.resilience.breaker import BreakerState, CircuitBreaker
from holdfast.resilience.quota import Quota, QuotaKind
from holdfast.resilience.retry import RetryPolicy, retry

T = TypeVar("T")

PAGE_SIZE: Final = 25
"""Entries per page of a listing: Key Vault's maximum, and so one call of the quota."""

BreakerTransition = Callable[[str, BreakerState, BreakerState], None]


class _QuotaSpent(Throttled):
    """Our own share of the vault's quota is used up: nothing was sent, and nothing is learnt of the vault."""


class _Line:
    """One kind of traffic with its own breaker.

    A refusal (401, 403) of one secret may be meant for that secret alone, so each name counts once until something
    succeeds: many names refused open the breaker, one name asked for again and again does not.
    """

    def __init__(self, breaker: CircuitBreaker) -> None:
        self.breaker = breaker
        self._refused: set[str] = set()

    async def attempt(self, name: str, timeout_s: float, call: Callable[[], Awaitable[T]]) -> T:
        """Make one attempt within a time limit."""

        def counts(error: BackendUnavailable) -> bool:
            if isinstance(error, BackendRefused):
                new = name not in self._refused
                self._refused.add(name)
                return new
            return not isinstance(error, _QuotaSpent)

        with self.breaker.attempt(counts, reluctant=name in self._refused):
            answer = await _within(timeout_s, call)
        self._refused.clear()
        return answer


class Primary:
    """The vault behind patience, breakers and quota.

    ``patience_s``: how long a read waits for its single attempt. ``attempt_timeout_s``: the same for one attempt of a
    patient read and one page of a listing; ``write_timeout_s``: of a write. ``on_transition(kind, old, new)`` hears
    of the breakers of kind "read" and "write".
    """

    def __init__(
        self,
        vault: Vault,
        clock: Clock,
        *,
        quota: Quota | None = None,
        retry_policy: RetryPolicy | None = None,
        patience_s: float = 0.75,
        attempt_timeout_s: float = 5.0,
        write_timeout_s: float = 5.0,
        uniform: Callable[[float, float], float] = random.uniform,
        on_transition: BreakerTransition | None = None,
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._quota = quota or Quota(clock)
        self.share_among, self.calls = self._quota.share_among, self._quota.used
        self._policy = retry_policy or RetryPolicy()
        self._patience_s = patience_s
        self._attempt_timeout_s = attempt_timeout_s
        self._write_timeout_s = write_timeout_s
        self._uniform = uniform
        self._lines = {kind: _Line(self._breaker(kind, on_transition)) for kind in ("read", "write")}

    @property
    def breakers(self) -> Mapping[str, str]:
        """The state of each breaker ("closed", "open", "half-open") by "read" and "write"."""
        return {kind: line.breaker.state.value for kind, line in self._lines.items()}

    async def read_once(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """Read in one attempt within the patience.

        Raises:
            Whatever ``Vault.get`` raises; ``BackendUnavailable`` when the patience is over.
        """
        return await self._ask(name, self._patience_s, lambda: self._vault.get(name, vault_version_id))

    async def is_deleted(self, name: SecretName) -> bool:
        """Whether the vault confirms that the name is soft-deleted; one attempt within the patience."""
        return await self._ask(name, self._patience_s, lambda: self._vault.is_deleted(name))

    async def read_patiently(
        self, name: SecretName, vault_version_id: str | None = None, *, background: bool = False
    ) -> VaultVersion:
        """Read with retries: for secrets that nobody else can answer, and for background work.

        Raises:
            Whatever ``Vault.get`` raises; ``BackendUnavailable`` when retries or time are used up.
        """

        async def attempt(remaining_s: float) -> VaultVersion:
            if background:
                await self._quota.acquire(QuotaKind.OTHER, background=True)
            timeout_s = min(remaining_s, self._attempt_timeout_s)
            return await self._ask(
                name, timeout_s, lambda: self._vault.get(name, vault_version_id), acquired=background
            )

        return await retry(attempt, policy=self._policy, clock=self._clock, uniform=self._uniform)

    async def read(
        self, name: SecretName, operation: Callable[[Vault], Awaitable[T]], *, background: bool = False
    ) -> T:
        """Make one attempt at a look on behalf of a replay, which has more time than a reader has patience.

        Raises:
            Whatever the operation raises; ``BackendUnavailable`` when it did not end in time.
        """
        if background:
            await self._quota.acquire(QuotaKind.OTHER, background=True)
        return await self._ask(name, self._attempt_timeout_s, lambda: operation(self._vault), acquired=background)

    async def write(
        self,
        name: SecretName,
        operation: Callable[[Vault], Awaitable[T]],
        *,
        creates: bool = False,
        background: bool = False,
    ) -> T:
        """Make one attempt at a change. ``creates``: it makes a version, which Key Vault counts apart.

        Raises:
            Whatever the operation raises; ``OutcomeUnknown`` when it did not end in time.
        """
        kind = QuotaKind.CREATE if creates else QuotaKind.OTHER
        if background:
            await self._quota.acquire(kind, background=True)
        try:
            return await self._attempt(
                "write", name, kind, self._write_timeout_s, lambda: operation(self._vault), acquired=background
            )
        except _TimedOut as error:
            raise OutcomeUnknown(f"{error} The change may have taken effect.") from None

    def versions(self, name: SecretName) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """``Vault.versions`` in the background, page by page."""
        return self.listing(self._vault.versions(name))

    def secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """``Vault.secrets`` in the background, page by page."""
        return self.listing(self._vault.secrets())

    def deleted_secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """``Vault.deleted_secrets`` in the background, page by page."""
        return self.listing(self._vault.deleted_secrets())

    async def listing(self, entries: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """Pass the entries of a listing on: each page within the time limit and the background quota."""
        end = object()
        count = 0
        try:
            while True:
                if count % PAGE_SIZE == 0:
                    await self._quota.acquire(QuotaKind.OTHER, background=True)
                entry = await self._ask("*", self._attempt_timeout_s, lambda: anext(entries, end), acquired=True)
                if entry is end:
                    return
                count += 1
                yield entry  # type: ignore[misc]  # a sentinel of type object has been ruled out
        finally:
            if isinstance(entries, AsyncGenerator):
                await entries.aclose()

    async def _ask(self, name: str, timeout_s: float, call: Callable[[], Awaitable[T]], *, acquired: bool = False) -> T:
        return await self._attempt("read", name, QuotaKind.OTHER, timeout_s, call, acquired=acquired)

    async def _attempt(
        self,
        line: str,
        name: str,
        kind: QuotaKind,
        timeout_s: float,
        call: Callable[[], Awaitable[T]],
        *,
        acquired: bool,
    ) -> T:
        async def within_quota() -> T:
            wait_s = 0.0 if acquired else self._quota.try_acquire(kind, background=False)
            if wait_s:
                raise _QuotaSpent("Our share of the vault's quota is used up.", retry_after_s=wait_s)
            return await call()

        try:
            with traced(f"keyvault.{line}", Side.CLIENT):
                return await self._lines[line].attempt(name, timeout_s, within_quota)
        except Throttled as error:
            if not isinstance(error, _QuotaSpent):
                self._quota.throttled(kind)
            raise

    def _breaker(self, kind: str, on_transition: BreakerTransition | None) -> CircuitBreaker:
        def tell(old: BreakerState, new: BreakerState) -> None:
            if on_transition:
                on_transition(kind, old, new)

        longest_s = max(self._patience_s, self._attempt_timeout_s, self._write_timeout_s)
        return CircuitBreaker(
            f"Key Vault ({kind}s)", self._clock.monotonic, probe_timeout_s=2 * longest_s, on_transition=tell
        )


class _TimedOut(BackendUnavailable):
    """An attempt did not end in time."""


async def _within(timeout_s: float, call: Callable[[], Awaitable[T]]) -> T:
    """Await a call for at most ``timeout_s``; a call that ends its own way in time is heard."""
    try:
        async with asyncio.timeout(max(0.0, timeout_s)):
            return await call()
    except TimeoutError:
        raise _TimedOut(f"Key Vault did not answer within {timeout_s:.2f} s.") from None
