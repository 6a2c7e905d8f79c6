"""Examines an installation from the settings alone: no node has to run, nor to be able to."""

from contextlib import AsyncExitStack

from holdfast.bootstrap.doctor.database import CONNECT_S, Connecting, DatabaseLooks
from holdfast.bootstrap.doctor.local import local_checks
from holdfast.bootstrap.doctor.surroundings import Surroundings
from holdfast.config import Draft
from holdfast.domain.diagnosis import Diagnosis
from holdfast.service.doctor.examination import Check, examine
from holdfast.stores.postgres.database import Database


async def diagnose(draft: Draft, database: Database | None = None, *, write: bool = False) -> Diagnosis:
    """Run every check. Nothing is written, but for the probe in Key Vault if ``write`` says so.

    ``database``: the one that a running node has. Without it the one of the settings is connected to; an embedded
    PostgreSQL that does not run is started for it, and stopped again.
    """
    async with AsyncExitStack() as stack:
        connecting = Connecting(draft, stack, database)
        connection = Check(name="postgresql", look=connecting.look, patience_s=CONNECT_S)
        first = await examine([*local_checks(draft), *Surroundings(draft, write=write).checks(), connection])
        connected = connecting.database
        rest = await examine(DatabaseLooks(draft, connected).checks() if connected is not None else [])
        return Diagnosis(findings=[*first.findings, *rest.findings])
