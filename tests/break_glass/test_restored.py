"""After a restore, nothing of an emergency is good again: grants that were revoked, codes that were spent."""

from pathlib import Path

import pytest

from holdfast.bootstrap.backup import restore_backup
from holdfast.cli.session import operator
from holdfast.domain.break_glass import RequestState
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import AccessDenied, Conflict
from tests.break_glass.support import ANN, ERIN, SECRET, VALUE, asked, granted, prepare
from tests.support.node import service_on, settings_for
from tests.support.postgres import empty_database


async def test_i15_a_restored_installation_begins_without_emergencies(
    database_url: str, postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    file = tmp_path / "all.backup"
    async with service_on(database_url, tmp_path / "a") as service:
        await prepare(service)
        live, waiting = await granted(service), await asked(service)
        codes = (await service.break_glass.codes.create(number=2)).codes
        await service.backups.make(file)
        assert (await service.get_secret(SECRET, context=ERIN)).value == VALUE
        await service.break_glass.revoke(live.id, context=ANN)
        await service.break_glass.redeem(waiting.id, codes, context=ERIN)
    async with empty_database(postgres_server.dsn) as empty:
        await restore_backup(settings_for(empty, tmp_path / "b"), file, caller=operator())
        async with service_on(empty, tmp_path / "b") as restored:
            with pytest.raises(AccessDenied):
                await restored.get_secret(SECRET, context=ERIN)
            with pytest.raises(Conflict, match="is void"):
                await restored.break_glass.approve(waiting.id, context=ANN)
            again = await asked(restored)
            with pytest.raises(AccessDenied):
                await restored.break_glass.redeem(again.id, codes, context=ERIN)
            states = [each.state for each in await restored.break_glass.list(context=ERIN)]
            assert states == [RequestState.REQUESTED, RequestState.VOID, RequestState.VOID]
