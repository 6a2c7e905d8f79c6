"""What an operator does with encryption keys. No key goes through here, ids only."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from holdfast.contract.keys import WhichKey
from holdfast.contract.row import Nothing
from holdfast.domain.keys import SEAL_ALARM, SEAL_LIMIT, SIGNED_FOR, KeyReport, KeyState, KeyStatus, RewrapReport
from holdfast.errors import Conflict, KeyUnavailable
from holdfast.ports import Clock, KeyStore, NodeRing, Ring
from holdfast.service.access.guard import Authorized, Guard
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.keys.following import SealingKey
from holdfast.service.keys.rewrapping import Rewrapping

_ORDER: Final = (KeyState.ACTIVE, KeyState.DRAINING, KeyState.PRESENT, KeyState.RETIRED)


class KeyCases:
    """The use cases of encryption keys.

    Args:
        known_answer: what only the key of an id can answer; raises ``KeyUnavailable`` for one that is not in the ring.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        store: KeyStore,
        sealing: SealingKey,
        clock: Clock,
        known_answer: Callable[[str], bytes],
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._guard, self._store, self._sealing, self._clock = guard, store, sealing, clock
        self._rewrapping, self._known_answer = Rewrapping(store, clock), known_answer
        self._crashpoint = crashpoint

    @property
    def ring(self) -> Ring:
        """The ring that this process seals with."""
        return self._sealing.ring

    def check_ready(self) -> None:
        """See that this node holds the key that all nodes seal with.

        Raises:
            KeyUnavailable: it does not.
        """
        self._sealing.check()

    async def status(self, _: Authorized, __: Nothing) -> KeyReport:
        """Return every key."""
        return await self._report()

    async def activate(self, authorized: Authorized, asked: WhichKey) -> KeyReport:
        """Let a key seal from now on.

        Raises:
            Conflict: this node or another one that runs does not hold it, or it is retired.
        """
        wanted = asked.key_id
        record = self._guard.success(authorized, detail=f"key={wanted}")
        lacking = await self._store.activate(wanted, self._answer(wanted), record)
        if lacking:
            raise Conflict(
                f"The key {wanted} is not active yet, for these nodes do not hold it: {', '.join(lacking)}. "
                "Give it to each of them, restart them one by one, and activate it then."
            )
        self._crashpoint("activated")
        await self._sealing.refresh()
        return await self._report()

    async def rewrap(self, _: Authorized, __: Nothing) -> RewrapReport:
        """Put rows under the active key, for some seconds at most."""
        await self._sealing.refresh()
        return await self._rewrapping.run()

    async def retire(self, authorized: Authorized, asked: WhichKey) -> KeyReport:
        """Forget a key under which nothing is sealed any more.

        Raises:
            Conflict: it seals, a node seals under it still, rows are sealed under it, or it is not known.
        """
        wanted = asked.key_id
        late = [ring.name for ring in await self._store.rings() if ring.sealing == wanted]
        if late and await self._drains(wanted):
            raise Conflict(f"Nodes seal under {wanted} still: {', '.join(late)}. Try again in some seconds.")
        record = self._guard.success(authorized, detail=f"key={wanted}")
        remaining = await self._store.retire(wanted, record)
        if remaining:
            counts = ", ".join(f"{rows:,} in {place}" for place, rows in remaining.items())
            raise Conflict(
                f"Rows are still sealed under the key {wanted}: {counts}. `holdfast keys rewrap` puts them under "
                "the active key, and names those it cannot."
            )
        return await self._report()

    def _answer(self, key_id: str) -> bytes:
        try:
            return self._known_answer(key_id)
        except KeyUnavailable:
            raise Conflict(
                f"The key {key_id} is not active yet, for this very node does not hold it (it holds "
                f"{', '.join(self.ring.ids)}). Give it to each node, restart them one by one, and activate it then."
            ) from None

    async def _drains(self, key_id: str) -> bool:
        keys = await self._store.keys()
        return any(key.key_id == key_id and key.state is KeyState.DRAINING for key in keys)

    async def _report(self) -> KeyReport:
        rings, stored = await self._store.rings(), await self._store.keys()
        live = [key.key_id for key in stored if key.state is not KeyState.RETIRED]
        rows = await self._store.sealed_under(live)
        known = {key.key_id for key in stored}
        held = {key_id: None for ring in rings for key_id in ring.keys} | dict.fromkeys(self.ring.ids)
        present = [KeyStatus(key_id=each, state=KeyState.PRESENT) for each in held if each not in known]
        keys = [_with_nodes(replace(key, rows=rows.get(key.key_id, {})), rings) for key in [*stored, *present]]
        keys.sort(key=lambda key: _ORDER.index(key.state))
        return KeyReport(keys=keys, nodes=len(rings), recommendations=_advice(keys, self._clock.now()))


def _with_nodes(key: KeyStatus, rings: Sequence[NodeRing]) -> KeyStatus:
    lacking = [ring.name for ring in rings if key.key_id not in ring.keys]
    return replace(
        key,
        missing_on=[] if key.state is KeyState.RETIRED else lacking,
        sealing_on=[ring.name for ring in rings if ring.sealing == key.key_id],
    )


def _advice(keys: Sequence[KeyStatus], now: datetime) -> list[str]:
    advice = []
    activated = max((key.activated_at for key in keys if key.activated_at), default=now)
    for key in keys:
        if key.state is KeyState.RETIRED and now < activated + SIGNED_FOR:
            until = (activated + SIGNED_FOR).astimezone(UTC).strftime("%H:%M:%S UTC")
            advice.append(
                f"Leave the key {key.key_id} in the settings until {until}: access tokens are signed with it."
            )
        if key.state is KeyState.ACTIVE and key.sealed >= SEAL_ALARM:
            advice.append(
                f"The key {key.key_id} has sealed {key.sealed:,} times, of {SEAL_LIMIT:,} that any key may: "
                "activate a new one."
            )
        if key.state in {KeyState.ACTIVE, KeyState.DRAINING} and key.missing_on:
            advice.append(f"Give the key {key.key_id} to {', '.join(key.missing_on)}, which cannot read all secrets.")
        if key.state is KeyState.DRAINING:
            advice.append(
                f"{key.remaining:,} row(s) are sealed under {key.key_id}: `holdfast keys rewrap`."
                if key.remaining
                else f"Nothing is sealed under {key.key_id} any more: `holdfast keys retire {key.key_id}`."
            )
    return advice
