"""What is not restored, and that nothing is written then."""

import base64
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.bootstrap.backup import restore_backup, verify_backup
from holdfast.cli.session import operator
from holdfast.config import Settings
from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.errors import (
    ConfigurationError,
    Conflict,
    HoldfastError,
    IntegrityFailure,
    InvalidInput,
    KeyUnavailable,
    StartupError,
)
from holdfast.ports import BackupWriter, Counters, Shape, Step, Table, TableEnd
from holdfast.stores.backupfile import SealedBackupFiles
from holdfast.stores.postgres.migrations import schema_version
from tests.support.catalog import contents_of, schema_of
from tests.support.node import rows, service_on, settings_for
from tests.support.postgres import execute
from tests.support.world import KEY

OTHER_KEY = base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
async def file(database_url: str, tmp_path: Path) -> Path:
    """A backup with a secret in it."""
    async with service_on(database_url, tmp_path / "a") as service:
        await service.set_secret("k", "c4n4ry" * 1000)
        await service.backups.make(tmp_path / "all.backup")
    return tmp_path / "all.backup"


async def refused(dsn: str, file: Path, settings: Settings | None = None) -> HoldfastError:
    """The error, after making sure that nothing was written."""
    settings = settings or settings_for(dsn, file.parent / "b")
    before = await schema_of(dsn), await contents_of(dsn)
    with pytest.raises(HoldfastError) as caught:
        await restore_backup(settings, file, caller=operator())
    assert (await schema_of(dsn), await contents_of(dsn)) == before
    return caught.value


async def test_a_backup_shows_nothing_of_what_is_in_it(file: Path) -> None:
    data = file.read_bytes()
    assert b"c4n4ry" not in data
    assert KEY.encode() not in data
    assert base64.b64decode(KEY) not in data
    assert b"secrets_vault" not in data
    assert file.stat().st_mode & 0o077 == 0
    assert [each.name for each in file.parent.iterdir() if "part" in each.name] == []


async def test_a_database_with_an_installation_in_it_is_left_alone(database_url: str, file: Path) -> None:
    error = await refused(database_url, file)
    assert isinstance(error, Conflict)
    assert "not empty" in str(error)


async def test_a_single_table_in_the_way_is_enough(empty: str, file: Path) -> None:
    await execute(empty, "CREATE TABLE identities (id int)", "INSERT INTO identities VALUES (1)")
    assert "'identities'" in str(await refused(empty, file))


async def test_tables_of_others_are_no_hindrance(empty: str, file: Path) -> None:
    await execute(empty, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (7)")
    await restore_backup(settings_for(empty, file.parent / "b"), file, caller=operator())
    assert await rows(empty, "SELECT id FROM orders") == [(7,)]


async def test_a_missing_key_is_named_by_its_fingerprint(empty: str, file: Path) -> None:
    settings = replace(settings_for(empty, file.parent / "b"), encryption_key=OTHER_KEY)
    error = await refused(empty, file, settings)
    assert isinstance(error, KeyUnavailable)
    assert KeyRing.from_settings(KEY).primary.id in str(error)
    with pytest.raises(KeyUnavailable):
        verify_backup(settings, file)


async def test_no_key_at_all_is_never_made_up(empty: str, file: Path, data_folder: Path) -> None:
    embedded = Settings(data_dir=data_folder)
    with pytest.raises(ConfigurationError, match="FALLBACK_ENCRYPTION_KEY is missing"):
        await restore_backup(embedded, file, caller=operator())
    assert not data_folder.exists()


async def test_the_former_key_may_be_one_that_only_opens(empty: str, file: Path) -> None:
    settings = replace(settings_for(empty, file.parent / "b"), encryption_key=OTHER_KEY, decryption_keys=(KEY,))
    await restore_backup(settings, file, caller=operator())
    async with service_on(empty, file.parent / "b", encryption_key=OTHER_KEY, decryption_keys=(KEY,)) as service:
        assert (await service.get_secret("k")).value == "c4n4ry" * 1000


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "something else": lambda data: b"PGDMP" + data,
    "of a later format": lambda data: data.replace(b"BACKUP 1", b"BACKUP 2", 1),
    "another installation": lambda data: data.replace(b'"installation":"', b'"installation":"0', 1)[:-1],
    "another moment": lambda data: data.replace(b'"made_at":"2', b'"made_at":"3', 1),
    "a header without end": lambda data: data[:18] + b"\xff" * 4 + data[22:],
    "cut in the header": lambda data: data[:60],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "with something behind": lambda data: data + b"x",
    "a byte flipped": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    ),
}


async def test_i8_damage_of_any_kind_is_found_and_nothing_is_written(empty: str, file: Path) -> None:
    whole = file.read_bytes()
    for what, damage in DAMAGE.items():
        file.write_bytes(damage(whole))
        assert file.read_bytes() != whole, what
        assert isinstance(await refused(empty, file), IntegrityFailure), what
        with pytest.raises(IntegrityFailure):
            verify_backup(settings_for(empty, file.parent / "b"), file)


async def test_a_file_that_is_not_there_is_told(empty: str, tmp_path: Path) -> None:
    assert isinstance(await refused(empty, tmp_path / "absent"), InvalidInput)


async def test_no_file_is_overwritten_and_none_left_behind(database_url: str, file: Path) -> None:
    whole = file.read_bytes()
    async with service_on(database_url, file.parent / "a") as service:
        with pytest.raises(Conflict, match="already"):
            await service.backups.make(file)
        with pytest.raises(InvalidInput, match="cannot be written"):
            await service.backups.make(file.parent / "nowhere" / "all.backup")
        failed = await service.audit.search(operation="backup.make", success=False)
    assert file.read_bytes() == whole
    assert [record.error_code for record in failed.records] == ["invalid_input", "conflict"]
    assert (await rows(database_url, "SELECT count(*) FROM installation WHERE backup_id IS NULL")) == [(0,)]


async def test_a_file_that_appears_while_a_backup_is_made_is_not_overwritten(file: Path) -> None:
    ring = KeyRing.from_settings(KEY)
    files = SealedBackupFiles(Envelope(ring), ring.ids)
    with files.reading(file, lambda *_: None) as found:
        header = found.header
    other = file.with_name("other.backup")
    with pytest.raises(Conflict, match="already"), files.writing(other, header):
        other.write_bytes(b"somebody else's")
    assert other.read_bytes() == b"somebody else's"
    assert sorted(each.name for each in file.parent.glob("*.part")) == []


async def test_damage_of_a_small_backup_is_not_called_a_missing_end(file: Path) -> None:
    damaged = bytearray(file.read_bytes())
    damaged[-100] ^= 1
    file.write_bytes(damaged)
    ring = KeyRing.from_settings(KEY)
    with pytest.raises(IntegrityFailure, match="altered, or cut short"):
        SealedBackupFiles(Envelope(ring), ring.ids).verify(file, lambda *_: None)


def forged(file: Path, *parts: Shape | bytes | TableEnd | Counters) -> None:
    """Put parts of one's own into a file, under the right key: as a faulty release would."""
    ring = KeyRing.from_settings(KEY)
    files = SealedBackupFiles(Envelope(ring), ring.ids)
    with files.reading(file, lambda *_: None) as found:
        header = found.header
    file.unlink()
    with files.writing(file, header) as writer:
        _put(writer, parts)
        writer._stream.finish()  # type: ignore[attr-defined]  # without reading it back


def _put(writer: BackupWriter, parts: tuple[Shape | bytes | TableEnd | Counters, ...]) -> None:
    for part in parts:
        if isinstance(part, bytes):
            writer.rows(part)
        else:
            writer.put(part)


def shape_in(file: Path) -> Shape:
    ring = KeyRing.from_settings(KEY)
    with SealedBackupFiles(Envelope(ring), ring.ids).reading(file, lambda *_: None) as found:
        shape, *_ = found.parts
    assert isinstance(shape, Shape)
    return shape


async def test_a_backup_of_a_newer_release_is_refused_by_its_schema(empty: str, file: Path) -> None:
    shape = shape_in(file)
    newer = Step(schema_version() + 1, "0" * 64)
    whole = [TableEnd(table.name, 0) for table in shape.tables]
    forged(file, Shape(steps=(*shape.steps, newer), tables=shape.tables, partitions=()), *whole, Counters(()))
    error = await refused(empty, file)
    assert isinstance(error, StartupError)
    assert "newer Holdfast" in str(error)


async def test_a_backup_that_is_not_as_it_says_is_refused(empty: str, file: Path) -> None:
    shape = shape_in(file)
    ends = [TableEnd(table.name, 0) for table in shape.tables]
    fewer = Shape(steps=shape.steps, tables=shape.tables[1:], partitions=())
    other = Shape(steps=shape.steps, tables=(Table("pg_authid", ("rolname",)),), partitions=())
    for parts in (
        (),
        (shape,),
        (shape, *ends),
        (*ends, Counters(())),
        (shape, *ends[1:], Counters(())),
        (shape, *ends, Counters(()), Counters(())),
        (fewer, *ends[1:], Counters(())),
        (other, b"postgres\n", TableEnd("pg_authid", 1), Counters(())),
        (shape, TableEnd(ends[0].table, 7), *ends[1:], Counters(())),
    ):
        forged(file, *parts)
        assert isinstance(await refused(empty, file), IntegrityFailure), parts
