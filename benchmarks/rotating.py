"""Rotations that do nothing at their target: what the phases cost that no credential can be lost in."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from benchmarks.measuring import check, rate
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import Vault
from holdfast import Rotation, RotationHandler, SecretsService, create_secrets_service
from holdfast.service.rotation.rotations import PARALLEL

COMMITS = 6
"""Of a rotation without anything to revoke: begun, held, applied, held, tested, current."""

_FENCED = "UPDATE fenced SET step = step + 1 WHERE id = $1 AND fence = $2 RETURNING step"
_XIDS = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


class Nothing(RotationHandler):
    """Draws a value; the target takes it, and lets it in."""

    async def create(self, rotation: Rotation) -> str:
        """Draw one."""
        return secrets.token_hex(16)

    async def apply(self, rotation: Rotation) -> None:
        """Do nothing."""

    async def test(self, rotation: Rotation) -> None:
        """Do nothing."""


async def measure(run: Run, vault: Vault, server: Server) -> None:
    """Compare rotations with as many bare fenced changes of a row, each committed by itself."""
    dsn, each = await run.stage.database("rotating"), run.size.rotations
    async with create_secrets_service(run.stage.alone(dsn)) as service, _fenced(dsn) as pool:
        service.register_rotation_handler("rotated-*", Nothing())
        for number in range(PARALLEL):
            await service.set_secret(f"rotated-{number}", "first")
        versions = [1] * PARALLEL

        async def rotate(number: int) -> None:
            versions[number % PARALLEL] += 1
            result = await service.rotate_secret(f"rotated-{number % PARALLEL}")
            check(result.version == versions[number % PARALLEL], "a rotation made another version than the next")

        async def change(number: int) -> None:
            for _ in range(COMMITS):
                check(await pool.fetchval(_FENCED, number % PARALLEL, 1) is not None, "a fence held nobody")

        before = await pool.fetchval(_XIDS)
        await rate(PARALLEL, each, rotate)
        used = (await pool.fetchval(_XIDS) - before) / (PARALLEL * each)
        check(used >= COMMITS, f"a rotation took {used:.1f} writing transactions; it has {COMMITS} of its own")
        run.notes.append(f"A rotation took {used:.1f} writing transactions, those of the audit trail included.")
        await run.compare(
            {
                f"rotation without a target, {PARALLEL} at a time": lambda: rate(PARALLEL, each, rotate),
                f"{COMMITS} bare fenced transactions": lambda: rate(PARALLEL, each, change),
            }
        )
        await _check_versions(service, versions)


async def _check_versions(service: SecretsService, versions: list[int]) -> None:
    for number, version in enumerate(versions):
        found = (await service.get_secret(f"rotated-{number}")).version
        check(found == version, f"version {found} is current after {version - 1} rotations")


@asynccontextmanager
async def _fenced(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(dsn, min_size=PARALLEL, max_size=PARALLEL) as pool:
        await pool.execute("CREATE TABLE fenced (id INTEGER PRIMARY KEY, fence BIGINT NOT NULL, step BIGINT NOT NULL)")
        await pool.execute("INSERT INTO fenced SELECT n, 1, 0 FROM generate_series(0, $1::integer - 1) n", PARALLEL)
        yield pool
