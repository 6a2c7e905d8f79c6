"""Signing, every few seconds, where the chains of the audit trail end: nobody can rewrite them unnoticed after that."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from holdfast.domain.checkpoint import (
    NO_PREVIOUS,
    Checkpoint,
    Gap,
    Head,
    Lost,
    Pruned,
    digest_of,
    line_of,
    parse_checkpoint,
    signed_bytes,
)
from holdfast.errors import BackendUnavailable, Conflict, HoldfastError, IntegrityFailure, KeyUnavailable
from holdfast.ports import CheckpointStore, Clock, Sealer, Signing
from holdfast.ports.places import AUDIT_KEY
from holdfast.resilience.events import Event, Log
from holdfast.resilience.supervision import surviving

_log: Final = Log(__name__)

INTERVAL_S: Final = 2.0
"""Seconds between checkpoints, as long as there is anything new."""

RETENTION_INTERVAL_S: Final = 3600.0
"""Seconds between looks for records that need not be kept any longer."""


class SigningKey:
    """The installation's key for checkpoints: made once, kept sealed under the key ring, the same on every node."""

    def __init__(self, store: CheckpointStore, sealer: Sealer, new: Callable[[bytes | None], Signing]) -> None:
        self._store, self._sealer, self._new = store, sealer, new
        self._signing: Signing | None = None

    async def get(self) -> Signing:
        """Return the key.

        Raises:
            KeyUnavailable: the ring lacks the key it is sealed under.
            IntegrityFailure: the stored one was changed.
        """
        if self._signing is None:
            if not await self._store.keys():
                fresh = self._new(None)
                sealed = self._sealer.seal_bytes(AUDIT_KEY, fresh.public_key, fresh.seed)
                await self._store.add_key(fresh.key_id, fresh.public_key, sealed)
            public_key, sealed = (await self._store.keys())[0]
            signing = self._new(self._sealer.open_bytes(AUDIT_KEY, public_key, sealed))
            # Under the ring's primary key from now on, so that the former one can be taken away.
            await self._store.reseal_key(public_key, self._sealer.seal_bytes(AUDIT_KEY, public_key, signing.seed))
            self._signing = signing
        return self._signing

    async def public_keys(self) -> list[bytes]:
        """All public keys that checkpoints of this installation may be signed with.

        One whose private half is not kept sealed beside it was not made here, and is an alarm: whoever trusted it would
        take a trail for genuine that somebody else had signed.
        """
        signing = await self.get()
        genuine = [public_key for public_key, sealed in await self._store.keys() if self._is_ours(public_key, sealed)]
        return genuine if signing.public_key in genuine else [signing.public_key, *genuine]

    def _is_ours(self, public_key: bytes, sealed: bytes) -> bool:
        try:
            ours = self._new(self._sealer.open_bytes(AUDIT_KEY, public_key, sealed)).public_key == public_key
        except (IntegrityFailure, KeyUnavailable) as error:
            _log(Event.AUDIT_KEY_NOT_GENUINE, reason=error)
            return False
        return ours


class Checkpointer:
    """Runs beside the service on every node; one at a time makes the next checkpoint.

    Args:
        retention: how long records are kept at least; None: for ever.
    """

    def __init__(
        self, store: CheckpointStore, key: SigningKey, clock: Clock, retention: timedelta | None = None
    ) -> None:
        self._store, self._key, self._clock, self.retention = store, key, clock, retention

    async def run(self) -> None:
        """Make checkpoints until cancelled."""
        said = ""
        while True:
            with surviving(_log, "The next checkpoint"):
                try:
                    await self._make()
                except (BackendUnavailable, Conflict):
                    raise
                except HoldfastError as error:  # a person has to fix it, and need not be told every two seconds
                    if str(error) != said:
                        _log(Event.CHECKPOINTS_STOPPED, reason=error)
                    said = str(error)
            await self._clock.sleep(INTERVAL_S)

    async def run_retention(self) -> None:
        """Drop what need not be kept any longer, until cancelled; there is a ``retention``."""
        while True:
            with surviving(_log, "Dropping old audit records"):
                while self.retention is not None and await self.prune(self.retention):
                    pass
            await self._clock.sleep(RETENTION_INTERVAL_S)

    async def make(self) -> bool:
        """Make a checkpoint if there is anything to sign, and no other node is at it; returns whether it did."""
        try:
            return await self._make()
        except Conflict:
            return False

    async def _make(self) -> bool:
        signing = await self._key.get()

        def checkpoint(before: bytes | None, heads: Sequence[Head], records: int) -> bytes:
            return self._signed(signing, before, records=records, heads=tuple(heads))

        return await self._store.extend(checkpoint) is not None

    async def pass_over(self, gap: Gap, by: str) -> bool:
        """Go on after a gap, behind a checkpoint that names it and who took note; False: there is no such gap."""
        signing = await self._key.get()
        lost = Lost(writer=gap.writer, boot=gap.boot, first=gap.first, last=gap.last, by=by)

        def checkpoint(before: bytes | None, head: Head, records: int) -> bytes:
            return self._signed(signing, before, records=records, heads=(head,), lost=(lost,))

        line = await self._store.pass_over(gap, checkpoint)
        if line is not None:
            _log(Event.AUDIT_GAP_NOTED, who=by, gap=gap.name)
        return line is not None

    async def prune(self, keep: timedelta) -> bool:
        """Drop the oldest records, behind a checkpoint that names them; returns whether there were any to drop.

        Raises:
            Conflict: another node makes a checkpoint.
        """
        signing = await self._key.get()

        def checkpoint(before: bytes | None, pruned: Sequence[Pruned]) -> bytes:
            return self._signed(signing, before, pruned=tuple(pruned))

        line = await self._store.prune(keep, checkpoint)
        if line is not None:
            _log(Event.AUDIT_DROPPED, age=keep)
        return line is not None

    def _signed(
        self,
        signing: Signing,
        before: bytes | None,
        *,
        records: int = 0,
        heads: tuple[Head, ...] = (),
        pruned: tuple[Pruned, ...] = (),
        lost: tuple[Lost, ...] = (),
    ) -> bytes:
        body = Checkpoint(
            checkpoint=parse_checkpoint(before)[0].checkpoint + 1 if before else 1,
            time=self._clock.now(),
            key=signing.key_id,
            previous=digest_of(before) if before else NO_PREVIOUS,
            records=records,
            heads=heads,
            pruned=pruned,
            lost=lost,
        ).body()
        return line_of(body, signing.sign(signed_bytes(body)))
