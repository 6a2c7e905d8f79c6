"""Judging how well the mirror follows Key Vault."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import RotationRun
from holdfast.ports import JournalStatus, KeptOut, RotationSchedule, SyncStatus

OLD_INTENT: Final = timedelta(minutes=5)

_CHECK: Final = "mirror"
NAMED: Final = 5
"""Names shown of those that are kept out."""

_LACKING_WHY: Final = "Secrets deleted in Key Vault are not shown here, and their names look free."
_LACKING_FIX: Final = "Give our identity the right to list secrets, as the role Key Vault Secrets Officer has it."


def mirror_findings(
    journal: JournalStatus, sync: SyncStatus, drifting: int, interval: timedelta, now: datetime
) -> list[Finding]:
    """Judge what waits and how old the last comparison is; ``interval`` lies between two comparisons."""
    found = [*_intents(journal, now), *_sync(sync, interval, now)]
    if drifting:
        found.append(
            warning(
                _CHECK,
                f"{drifting} secret(s) differ from Key Vault.",
                why="The mirror goes on serving them; Key Vault's other readers get something else.",
                fix="`holdfast reconcile` names them; set them anew, or delete them here.",
            )
        )
    waiting = f"{journal.open} change(s) wait for Key Vault"
    if sync.last_finished_at is None:
        return [ok(_CHECK, f"{waiting}."), *found]
    return [ok(_CHECK, f"The mirror was compared {sync.last_finished_at:%Y-%m-%d %H:%M} UTC; {waiting}."), *found]


def _intents(journal: JournalStatus, now: datetime) -> Iterator[Finding]:
    if journal.parked:
        yield failure(
            _CHECK,
            f"{journal.parked} change(s) are parked.",
            why="Key Vault refuses them for good; its other readers do not get what was acknowledged here.",
            fix="`holdfast reconcile` says why; mend that and `holdfast reconcile --retry`, or `--discard NAME`.",
        )
    if journal.oldest_open_at is not None and now - journal.oldest_open_at > OLD_INTENT:
        yield warning(
            _CHECK,
            f"The oldest of {journal.open} waiting change(s) is from {journal.oldest_open_at:%Y-%m-%d %H:%M} UTC.",
            why="They are safe here, but Key Vault's other readers see the former state.",
            fix="A running node replays them; if one runs, see the findings on keyvault.",
        )


def _sync(sync: SyncStatus, interval: timedelta, now: datetime) -> Iterator[Finding]:
    fault = sync.fault(interval, now)
    if fault is not None or sync.last_finished_at is None:
        yield warning(
            _CHECK,
            fault or "The mirror was not compared with Key Vault yet.",
            why="What others changed in Key Vault since then is not in the mirror, and an outage would show it.",
            fix="A running node compares by itself: start one, or run `holdfast sync` now.",
        )
    if sync.lacking:
        yield warning(_CHECK, f"{sync.lacking}.", why=_LACKING_WHY, fix=_LACKING_FIX)


def kept_out_findings(kept_out: Sequence[KeptOut], number: int) -> list[Finding]:
    """Name secrets that cannot be mirrored; ``number`` of all, of which some are given."""
    if not number:
        return []
    named = ", ".join(f"{each.name} ({each.reason})" for each in kept_out[:NAMED])
    return [
        warning(
            _CHECK,
            f"{number} name(s) in Key Vault cannot be mirrored: {named}{', …' if number > NAMED else ''}.",
            why="In an outage they are served as they were last seen, or not at all.",
            fix="`holdfast reconcile` says why; docs/troubleshooting.md, 'Names are kept out of the mirror'.",
        )
    ]


def rotation_findings(
    overdue: Sequence[RotationSchedule],
    stuck: Sequence[RotationRun],
    checked: datetime | None,
    withheld: Mapping[SecretName, str],
) -> list[Finding]:
    """Judge the rotations that are due, those under way that are ``stuck``, and those that wait for a person.
    ``withheld``: why, by secret.
    """
    failing = sum(each.failures > 0 for each in overdue)
    asking = sum(each.requested_at is not None and each.approved_by is None for each in overdue)
    looked = f"last looked at {checked:%Y-%m-%d %H:%M} UTC" if checked else "never looked at: no node has run"
    found = [ok("rotation", f"{len(overdue)} rotation(s) are due; {looked}.")]
    if failing:
        found.append(
            warning(
                "rotation",
                f"{failing} rotation(s) that are due fail.",
                why="Both credentials are kept, but the secret grows older than its policy allows.",
                fix="`holdfast rotation list` says why; docs/troubleshooting.md, 'Secrets do not rotate'.",
            )
        )
    if asking:
        found.append(
            warning(
                "rotation",
                f"{asking} rotation(s) that are due ask for approval.",
                why="Without --auto-rotate a person decides, and nobody has.",
                fix="`holdfast rotation list` names them; `holdfast rotation approve NAME`.",
            )
        )
    return [*found, *map(_stuck, stuck[:NAMED]), *(_withheld(name, reason) for name, reason in withheld.items())]


def _stuck(run: RotationRun) -> Finding:
    return warning(
        "rotation",
        f"The rotation of {run.name!r} stays {run.phase}, as its next step fails: {run.last_error}",
        why="Both credentials are kept; the target may already refuse the current one.",
        fix=f"Mend what it names, then `holdfast rotation resume {run.name}`.",
    )


def _withheld(name: SecretName, reason: str) -> Finding:
    return warning(
        "rotation",
        f"The rotation policy of {name!r} has to be confirmed: {reason}.",
        why="It says where credentials go, on the word of somebody who could not say so today. It stands still.",
        fix="Look at it. Whoever may get and rotate the secret confirms it by giving it again: docs/rotation.md.",
    )
