"""A vault in memory behind ``holdfast.ports.Vault``, with faults at the level of the port."""

from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, TypeVar

from msgspec import structs

from holdfast.domain.intent import MARKER_TAG, Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import BackendUnavailable, HoldfastError, OutcomeUnknown, SecretNotFound
from holdfast.ports import Clock, OddEntry, VaultVersion
from holdfast.resilience.clock import SystemClock
from tests.support.vault_model import ModelSecret, ModelVersion, Phase, VaultModel
from tests.support.vault_wire import RETENTION_DAYS

T = TypeVar("T")

Applied = Literal["no", "once", "twice", "late"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens instead of an answer. ``applied``: how often the change takes effect all the same."""

    error: HoldfastError | None
    applied: Applied
    delay_s: float


class MemoryVault:
    """``model`` is what the vault holds; ``calls`` counts by operation; ``down`` makes every call fail.

    ``failing``: what any question about a name ends with, by canonical name; ``calls`` counts those as "failing".
    ``odd_entries``: what the list of secrets shows in place of a name's entry.

    Operations: get, set, update, delete, recover, purge, touch, is_deleted, versions, secrets, deleted_secrets.
    """

    def __init__(self, clock: Clock | None = None, *, settle_s: float = 0.0) -> None:
        self._clock = clock or SystemClock()
        self.model = VaultModel(self._clock, settle_s=settle_s)
        self.calls: Counter[str] = Counter()
        self.down = False
        self.failing: dict[str, Exception] = {}
        self.odd_entries: dict[str, OddEntry] = {}
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._late: list[Callable[[], object]] = []

    def fail(
        self,
        operation: str,
        error: HoldfastError | None = None,
        *,
        times: int = 1,
        applied: Applied = "no",
        delay_s: float = 0.0,
    ) -> None:
        """Let the next calls of an operation fail.

        Without an error: ``OutcomeUnknown`` if the change is applied after all, else ``BackendUnavailable``.
        """
        default = BackendUnavailable("down") if applied == "no" else OutcomeUnknown("no answer")
        self._faults[operation].extend([Fault(error=error or default, applied=applied, delay_s=delay_s)] * times)

    def slow(self, operation: str, delay_s: float, *, times: int = 1) -> None:
        """Let the next calls of an operation take some time of the clock and then succeed."""
        self._faults[operation].extend([Fault(error=None, applied="once", delay_s=delay_s)] * times)

    def heal(self) -> None:
        """Forget all faults that have not happened yet."""
        self.down = False
        self._faults.clear()

    def apply_late(self) -> int:
        """Let the changes take effect whose answers were lost and that hung somewhere; returns how many."""
        late, self._late = self._late, []
        for change in late:
            try:
                change()
            except HoldfastError:
                continue  # the vault refuses it by now, and nobody listens
        return len(late)

    async def get(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        self._fail_about(name)
        return await self._do("get", lambda: _entry(*self.model.get(name, vault_version_id), with_value=True))

    async def set(self, name: str, value: SecretValue, attributes: Attributes, marker: Marker | None) -> VaultVersion:
        marked = structs.replace(attributes, tags={**attributes.tags, **({MARKER_TAG: str(marker)} if marker else {})})
        return await self._do("set", lambda: _entry(*self.model.set(name, value.reveal(), marked), with_value=True))

    async def update(
        self, name: SecretName, vault_version_id: str, attributes: Attributes, marker: Marker | None
    ) -> None:
        tags = {**attributes.tags, **({MARKER_TAG: str(marker)} if marker else {})}
        await self._do(
            "update",
            lambda: self.model.update(name, vault_version_id, lambda _: structs.replace(attributes, tags=tags)),
        )

    async def delete(self, name: SecretName) -> None:
        await self._do("delete", lambda: self.model.delete(name))

    async def recover(self, name: SecretName) -> None:
        await self._do("recover", lambda: self.model.recover(name))

    async def purge(self, name: SecretName) -> None:
        await self._do("purge", lambda: self.model.purge(name))

    async def touch(self, name: SecretName) -> None:
        with suppress(SecretNotFound):
            await self._do("touch", lambda: self.model.update(name, "0" * 32, lambda attributes: attributes))

    async def is_deleted(self, name: SecretName) -> bool:
        def deleted() -> bool:
            try:
                return bool(self.model.deleted(name))
            except SecretNotFound:
                return False

        self._fail_about(name)
        return await self._do("is_deleted", deleted)

    async def deleted(self, name: SecretName) -> VaultVersion:
        self._fail_about(name)
        return await self._do("is_deleted", lambda: _gone(self.model.deleted(name)))

    async def versions(self, name: SecretName) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        def entries() -> list[VaultVersion]:
            secret = ModelSecret(name=name)
            return [_entry(secret, version) for version in self.model.versions(name)]

        self._fail_about(name)
        for entry in await self._do("versions", entries):
            yield entry

    async def secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        for secret in await self._do("secrets", self.model.secrets):
            yield self.odd_entries.get(secret.name.lower()) or replace(
                _entry(secret, secret.newest), vault_version_id=""
            )

    async def deleted_secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        for secret in await self._do("deleted_secrets", lambda: self.model.secrets(Phase.DELETED)):
            yield replace(_gone(secret), vault_version_id="")

    def reconnect(self) -> None:
        self.calls["reconnect"] += 1

    async def aclose(self) -> None:
        pass

    def _fail_about(self, name: str) -> None:
        if name in self.failing and not self.down:
            self.calls["failing"] += 1
            raise self.failing[name]

    async def _do(self, operation: str, work: Callable[[], T]) -> T:
        self.calls[operation] += 1
        if self.down:
            raise BackendUnavailable("the vault is down", certain=True)
        fault = self._faults[operation].popleft() if self._faults[operation] else None
        if fault is None:
            return work()
        if fault.delay_s:
            await self._clock.sleep(fault.delay_s)
        if fault.error is None:
            return work()
        if fault.applied == "late":
            self._late.append(work)
        for _ in range({"once": 1, "twice": 2}.get(fault.applied, 0)):
            work()
        raise fault.error


def _gone(secret: ModelSecret) -> VaultVersion:
    assert secret.deleted_at
    purged_at = secret.deleted_at + timedelta(days=RETENTION_DAYS)
    return replace(_entry(secret, secret.newest), deleted_at=secret.deleted_at, scheduled_purge_at=purged_at)


def _entry(secret: ModelSecret, version: ModelVersion, *, with_value: bool = False) -> VaultVersion:
    return VaultVersion(
        name=secret.name,
        vault_version_id=version.id,
        attributes=version.attributes,
        created_at=version.created_at,
        updated_at=version.updated_at,
        value=SecretValue(version.value) if with_value else None,
    )
