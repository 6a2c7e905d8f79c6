"""Which use case does which operation."""

from collections.abc import Iterator
from contextlib import suppress

from holdfast.bootstrap.compliance import open_compliance
from holdfast.bootstrap.doctor import diagnose
from holdfast.bootstrap.parts import Parts
from holdfast.config import Draft
from holdfast.contract import clock, compliance, doctor, keys, notices
from holdfast.domain.diagnosis import Diagnosis
from holdfast.errors import BackendUnavailable
from holdfast.service.doctor.diagnosing import DoctorCases
from holdfast.service.door import Case, case
from holdfast.service.installation.clock import ClockCases


def cases(parts: Parts) -> Iterator[Case]:
    """Pair every row of the contract with what does it."""
    yield from _clock(parts)
    yield from _compliance(parts)
    yield from _doctor(parts)
    yield from _keys(parts)
    yield from _notices(parts)


def _clock(parts: Parts) -> Iterator[Case]:
    of_clock = ClockCases(guard=parts.guard, store=parts.database_clock, clock=parts.clock, machine=parts.machine)
    yield case(clock.ACCEPT, of_clock.accept)


def _compliance(parts: Parts) -> Iterator[Case]:
    reporting = open_compliance(
        parts.settings,
        parts.database,
        parts.installation,
        audit=parts.audit,
        ignored_rules=parts.book.ignored,
        clock=parts.clock,
    )
    yield case(compliance.REPORT, reporting.report)


def _doctor(parts: Parts) -> Iterator[Case]:
    draft = Draft(settings=parts.settings)

    async def examine(write: bool) -> Diagnosis:
        with suppress(BackendUnavailable):  # which is what will be found
            await parts.rotation.rotations.review.look()
        return await diagnose(draft, parts.database, write=write)

    yield case(doctor.DIAGNOSE, DoctorCases(examine).diagnose)


def _keys(parts: Parts) -> Iterator[Case]:
    yield case(keys.STATUS, parts.keys.status)
    yield case(keys.ACTIVATE, parts.keys.activate)
    yield case(keys.REWRAP, parts.keys.rewrap)
    yield case(keys.RETIRE, parts.keys.retire)


def _notices(parts: Parts) -> Iterator[Case]:
    of_notices = parts.notices.cases(parts.guard, parts.watched())
    yield case(notices.SEARCH, of_notices.search)
    yield case(notices.PREVIEW, of_notices.preview)
    yield case(notices.RETRY, of_notices.retry)
    yield case(notices.DISCARD, of_notices.discard)
    yield case(notices.TEST, of_notices.test)
