"""Where attempts at the primary store meet patience, breakers and quota. It answers only what the vault says."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Final, TypeVar

from holdfast.domain.names import SecretName
from holdfast.errors import Throttled
from holdfast.ports import Clock, OddEntry, Side, Vault, VaultVersion, traced
from holdfast.resilience.breaker import BreakerState, CircuitBreaker
from holdfast.resilience.events import Event
from holdfast.resilience.outages import Outages
from holdfast.resilience.quota import Quota, QuotaKind
from holdfast.resilience.retry import RetryBudget, RetryPolicy, retry
from holdfast.resilience.wakefulness import Wakefulness
from holdfast.service.vault.lines import Line
from holdfast.service.vault.questions import WHOLE, NotSent, Questions

T = TypeVar("T")

PAGE_SIZE: Final = 25
"""Entries per page of a listing: Key Vault's maximum, and so one call of the quota."""

BreakerTransition = Callable[[str, BreakerState, BreakerState], None]


class _QuotaSpent(Throttled, NotSent):
    """Our own share of the vault's quota is used up."""


class Primary:
    """The vault behind patience, breakers and quota.

    ``patience_s``: how long a read waits for its single attempt. ``attempt_timeout_s``: the same for one attempt of a
    patient read and one page of a listing; ``write_timeout_s``: of a write. ``on_transition(kind, old, new)`` hears
    of the breakers of kind "read" and "write". ``awake``: has to be run for failures to be told from those of a process
    that stood still.
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
        awake: Wakefulness | None = None,
    ) -> None:
        self._vault = vault
        self._clock = clock
        self._quota = quota or Quota(clock)
        self.share_among, self.calls = self._quota.share_among, self._quota.used
        self._policy, self._budget = retry_policy or RetryPolicy(), RetryBudget(clock)
        self._patience_s = patience_s
        self._attempt_timeout_s = attempt_timeout_s
        self._write_timeout_s = write_timeout_s
        self._uniform = uniform
        self._outages = Outages(monotonic=clock.monotonic)
        self.left_out = Outages(Event.VERSIONS_LEFT_OUT, Event.VERSIONS_WHOLE, monotonic=clock.monotonic)
        self.awake = awake = awake or Wakefulness(vault.reconnect)
        self._known = known = Questions(vault, self._quota)
        self._reads = Line("read", self._breaker("read", on_transition), clock, known.read, known.of_reads, awake)
        self._writes = Line(
            "write", self._breaker("write", on_transition), clock, known.changed, known.of_changes, awake
        )
        self._lines = (self._reads, self._writes)

    @property
    def breakers(self) -> Mapping[str, str]:
        """The state of each breaker ("closed", "open", "half-open") by "read" and "write"."""
        return {line.kind: line.breaker.state.value for line in self._lines}

    @property
    def troubles(self) -> list[str]:
        """Each breaker that is not closed, and why it opened, without names of secrets."""
        return [
            f"{line.kind}s: circuit breaker {line.breaker.state.value}" + (f" ({line.trouble})" if line.trouble else "")
            for line in self._lines
            if line.breaker.state is not BreakerState.CLOSED
        ]

    def takes_changes(self) -> bool:
        """Whether the breaker of writes is closed."""
        return self._writes.breaker.state is BreakerState.CLOSED

    async def read_once(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """Read in one attempt within the patience.

        Raises:
            Whatever ``Vault.get`` raises; ``NameUnavailable`` for what may be this secret's failure alone, at once,
                and without a call for one that failed before a short while ago; ``BackendUnavailable`` of any other
                kind for the vault's.
        """
        newest = vault_version_id is None
        if newest:
            self._reads.odd.check(name)
        return await self._attempt(
            self._reads, name, self._patience_s, lambda: self._get(name, vault_version_id), wait=False, watched=newest
        )

    async def is_deleted(self, name: SecretName) -> bool:
        """Whether the vault confirms that the name is soft-deleted; one attempt within the patience."""
        return await self._attempt(
            self._reads, name, self._patience_s, lambda: self._vault.is_deleted(name), wait=False
        )

    async def read_patiently(
        self, name: SecretName, vault_version_id: str | None = None, *, background: bool = False
    ) -> VaultVersion:
        """Read with retries: for secrets that nobody else can answer, and for background work.

        Raises:
            Whatever ``Vault.get`` raises; ``NameUnavailable`` when its retries, those of all readers together, or time
                are used up, or at once for a secret that failed before a short while ago; ``BackendUnavailable`` of
                any other kind for the vault.
        """
        newest = vault_version_id is None
        if newest and not background:
            self._reads.odd.check(name, patient=True)

        async def attempt(remaining_s: float) -> VaultVersion:
            if background:
                await self._quota.acquire(QuotaKind.OTHER, background=True)
            timeout_s = min(remaining_s, self._attempt_timeout_s)
            return await self._attempt(
                self._reads,
                name,
                timeout_s,
                lambda: self._get(name, vault_version_id),
                acquired=background,
                watched=newest,
            )

        return await retry(attempt, policy=self._policy, clock=self._clock, budget=self._budget, uniform=self._uniform)

    async def read(
        self, name: SecretName, operation: Callable[[Vault], Awaitable[T]], *, background: bool = False
    ) -> T:
        """Make one attempt at a look on behalf of a replay, which has more time than a reader has patience.

        Raises:
            Whatever the operation raises; ``NameUnavailable`` when it fails for this secret while the vault answers;
                ``BackendUnavailable`` of any other kind when the vault fails.
        """

        async def look() -> T:
            found = await operation(self._vault)
            if isinstance(found, VaultVersion) and found.value is not None:
                self._known.read.add(name)
                self._reads.odd.acquit(name)
            return found

        if background:
            await self._quota.acquire(QuotaKind.OTHER, background=True)
        return await self._attempt(self._reads, name, self._attempt_timeout_s, look, acquired=background)

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
            Whatever the operation raises; ``VaultRefusal`` when this change is refused while the vault takes others;
                ``OutcomeUnknown`` when it did not end in time, ``NameOutcomeUnknown`` when the vault takes others.
        """
        kind = QuotaKind.CREATE if creates else QuotaKind.OTHER
        if background:
            await self._quota.acquire(kind, background=True)
        answer = await self._attempt(
            self._writes,
            name,
            self._write_timeout_s,
            lambda: operation(self._vault),
            kind=kind,
            acquired=background,
            watched=True,
        )
        self._known.changed.add(name)
        return answer

    def versions(self, name: SecretName) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """``Vault.versions`` in the background, page by page."""
        return self.listing(self._vault.versions(name), name)

    def secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """``Vault.secrets`` in the background, page by page."""
        return self._noting(self.listing(self._vault.secrets()))

    def deleted_secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """``Vault.deleted_secrets`` in the background, page by page."""
        return self.listing(self._vault.deleted_secrets())

    async def listing(self, entries: AsyncIterator[T], name: SecretName = WHOLE) -> AsyncGenerator[T, None]:
        """Pass the entries of a listing on: each page within the time limit and the background quota.

        Raises:
            NameUnavailable: this listing fails while the vault answers.
            BackendUnavailable: of any other kind: the vault fails.
        """
        end = object()
        count = 0
        try:
            while True:
                if count % PAGE_SIZE == 0:
                    await self._quota.acquire(QuotaKind.OTHER, background=True)
                entry = await self._attempt(
                    self._reads,
                    name,
                    self._attempt_timeout_s,
                    lambda: anext(entries, end),
                    acquired=True,
                    repeatable=False,
                )
                if entry is end:
                    return
                count += 1
                yield entry  # type: ignore[misc]  # a sentinel of type object has been ruled out
        finally:
            if isinstance(entries, AsyncGenerator):
                await entries.aclose()

    async def aclose(self) -> None:
        """Stop asking whether the vault answers."""
        for line in self._lines:
            await line.confirmation.aclose()

    async def _noting(
        self, entries: AsyncGenerator[VaultVersion | OddEntry, None]
    ) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """Learn from the listing of all secrets that it is answered, and which of them were changed."""
        async with aclosing(entries):
            async for entry in entries:
                self._known.lists = True
                if isinstance(entry, VaultVersion):
                    self._reads.odd.listed(SecretName(entry.name.lower()), entry.updated_at)
                yield entry

    async def _get(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        found = await self._vault.get(name, vault_version_id)
        self._known.read.add(name)
        return found

    async def _attempt(
        self,
        line: Line,
        name: SecretName,
        timeout_s: float,
        call: Callable[[], Awaitable[T]],
        *,
        kind: QuotaKind = QuotaKind.OTHER,
        acquired: bool = False,
        wait: bool = True,
        watched: bool = False,
        repeatable: bool = True,
    ) -> T:
        async def within_quota() -> T:
            wait_s = 0.0 if acquired else self._quota.try_acquire(kind, background=False)
            if wait_s:
                raise _QuotaSpent("Our share of the vault's quota is used up.", retry_after_s=wait_s)
            try:
                return await call()
            except Throttled:
                self._quota.throttled(kind)
                raise

        with traced(f"keyvault.{line.kind}", Side.CLIENT):
            return await line.attempt(name, timeout_s, within_quota, wait=wait, watched=watched, repeatable=repeatable)

    def _breaker(self, kind: str, on_transition: BreakerTransition | None) -> CircuitBreaker:
        def tell(old: BreakerState, new: BreakerState) -> None:
            if new is BreakerState.OPEN:
                line = self._reads if kind == "read" else self._writes
                self._outages.failed(
                    "Key Vault", f"{line.trouble or 'no answer'}; the circuit breaker of {kind}s is open", kind
                )
            elif new is BreakerState.CLOSED:
                self._outages.works("Key Vault", kind)
            if on_transition:
                on_transition(kind, old, new)

        longest_s = max(self._patience_s, self._attempt_timeout_s, self._write_timeout_s)
        return CircuitBreaker(
            f"Key Vault ({kind}s)", self._clock.monotonic, probe_timeout_s=4 * longest_s, on_transition=tell
        )
