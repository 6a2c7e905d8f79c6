"""What goes on beside serving, on every node."""

from holdfast.bootstrap.parts import Parts
from holdfast.bootstrap.release import release
from holdfast.bootstrap.telemetry import Gauging
from holdfast.resilience.supervision import Work
from holdfast.service.installation.housekeeping import Housekeeping
from holdfast.service.installation.presence import Presence
from holdfast.stores.postgres.migrations import schema_version


def presence_of(parts: Parts) -> Presence:
    """This node, as others see it."""
    return Presence(
        parts.nodes,
        parts.clock,
        release=release(),
        schema_version=schema_version(),
        backends=parts.backends,
        announce=parts.sealing.announce,
        counted=parts.replica.primary.share_among if parts.replica else lambda _: None,
    )


def background(parts: Parts, presence: Presence) -> dict[str, Work]:
    """What has to go on beside serving."""
    housekeeping = Housekeeping(
        ledger=parts.ledger,
        guard=parts.guard,
        writer=parts.writer,
        clock=parts.clock,
        scrubber=parts.scrubber,
        local=parts.audit.spool,
        archive=parts.audit.archive,
        take_in=parts.trail.take_in,
        shipped=parts.trail.first_is_back,
    )
    return {
        "housekeeping": housekeeping.run,
        "presence": presence.run,
        "gauges": gauging(parts).run,
        "token uses": parts.identities.tokens.note_uses,
        **parts.notices.background(parts.watched()),
        **parts.rotation.background(),
        **parts.break_glass.background(),
        **parts.audit.background(),
        **(parts.replica.background() if parts.replica else {}),
    }


def gauging(parts: Parts) -> Gauging:
    """What looks at this node now and then, for its metrics."""
    return Gauging(
        recorder=parts.recorder,
        backends=parts.backends,
        journal=parts.journal,
        sync=parts.sync_state,
        rotations=parts.rotation.store,
        break_glass=parts.break_glass.store,
        notices=parts.notices.store,
        clock=parts.clock,
        rules=parts.grants,
        known_changes=lambda: parts.book.epoch,
        kept_out=parts.kept_out,
        failing_work=parts.supervisor.failing,
        sync_interval=parts.settings.sync_interval if parts.replica else None,
        started_at=parts.clock.now(),
    )
