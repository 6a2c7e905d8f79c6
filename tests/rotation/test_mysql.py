"""MySQL users, who have two passwords: on the real server where ``HOLDFAST_MYSQLD`` names one."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.rotation import Phase
from holdfast.domain.secret import RotationPolicy, SecretValue
from holdfast.errors import RotationFailed
from holdfast.rotators.mysql import MySqlUser
from holdfast.rotators.mysql_hashes import caching_hash, is_caching_hash_of
from holdfast.rotators.mysql_wire import log_in, login_of
from tests.rotation.test_database_users import FIRST, admin_of, rotation_of
from tests.rotation.test_handlers import HOSTILE
from tests.support.folders import short_folder
from tests.support.mariadb import MariaDb
from tests.support.mysql import MYSQLD, running_mysql
from tests.support.node import Inside

real = pytest.mark.skipif(MYSQLD is None, reason="HOLDFAST_MYSQLD names no MySQL server; stable Debian has none")


@pytest.fixture(scope="session")
def mysql() -> Iterator[MariaDb]:
    with short_folder() as folder, running_mysql(folder) as server:
        yield server


def make_user(server: MariaDb, user: str) -> None:
    server.ask("DROP USER IF EXISTS %s@'%%'", user)
    server.ask("CREATE USER %s@'%%' IDENTIFIED BY %s", user, FIRST)


@real
async def test_i10_a_user_has_both_passwords_until_the_old_one_is_retired(inside: Inside, mysql: MariaDb) -> None:
    make_user(mysql, HOSTILE)
    await inside.service.set_secret("db-admin", mysql.url())
    policy = RotationPolicy(handler="mysql", options={"admin_secret": "db-admin", "user": HOSTILE})
    await inside.service.set_secret("db", FIRST, rotation_policy=policy)
    before = FIRST
    for _ in range(2):
        assert (await inside.service.rotate_secret("db")).phase is Phase.CURRENT
        password = (await inside.service.get_secret("db")).value
        assert [mysql.lets_in(HOSTILE, each) for each in (before, password, "wrong")] == [True, True, False]
        await inside.service.rotations.retire("db")
        assert [mysql.lets_in(HOSTILE, each) for each in (before, password)] == [False, True]
        assert password not in mysql.log.read_text()
        before = password


@real
async def test_i10_a_late_holder_is_refused_and_discards_nothing(mysql: MariaDb) -> None:
    make_user(mysql, "late")
    handler, run = MySqlUser(admin_of(mysql)), rotation_of(mysql, "late", "second")
    await handler.apply(run)
    await handler.apply(run)  # coming twice does no harm
    assert mysql.lets_in("late", FIRST)
    later = replace(run, current_value=SecretValue("second"), candidate_value=SecretValue("third"))
    await handler.apply(later)
    with pytest.raises(RotationFailed, match="'late'@'%' has another password"):
        await handler.apply(run)
    await handler.retire(run)
    assert [mysql.lets_in("late", each) for each in (FIRST, "second", "third")] == [False, True, True]


@real
async def test_what_is_wrong_is_named(mysql: MariaDb) -> None:
    handler = MySqlUser(admin_of(mysql))
    with pytest.raises(RotationFailed, match="no user 'nobody_knows'@'%' at the server"):
        await handler.apply(rotation_of(mysql, "nobody_knows", "second"))
    mysql.ask("DROP USER IF EXISTS other_kind")
    mysql.ask("CREATE USER other_kind IDENTIFIED WITH sha256_password BY 'x'")
    with pytest.raises(RotationFailed, match="alter it to caching_sha2_password first"):
        await handler.apply(rotation_of(mysql, "other_kind", "second"))


@pytest.mark.services("mariadb-server")
async def test_a_mariadb_is_no_mysql(mariadb: MariaDb) -> None:
    with pytest.raises(RotationFailed, match="name the handler 'mariadb'"):
        await MySqlUser(admin_of(mariadb)).apply(rotation_of(mariadb, "any", "second"))


@given(password=st.text(), other=st.text())
@settings(max_examples=30, deadline=timedelta(seconds=5))
def test_a_hash_is_of_one_password(password: str, other: str) -> None:
    kept = caching_hash(password).encode()
    assert is_caching_hash_of(kept, password)
    assert is_caching_hash_of(kept, other) is (password == other)
    assert not is_caching_hash_of(b"", password)
    assert not is_caching_hash_of(kept[:-1], password)


def test_the_hash_is_as_mysql_writes_it() -> None:
    """hashcat's example of its mode 7401."""
    salt = bytes.fromhex("F9CC98CE08892924F50A213B6BC571A2C11778C5")
    assert is_caching_hash_of(b"$A$005$" + salt + b"bTy95Y99eAME1dwEkHOA1ndHGBWz.1bxSSRkuTXFGV/", "hashcat")


async def test_a_server_without_tls_gets_no_credential() -> None:
    """Such a server says so in its greeting, as whoever stands in between could make any server's say."""
    heard = bytearray()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        without_tls = 0x0F_FF_F7_FF & ~0x800  # CLIENT_SSL
        facts = b"8.0.36\0" + bytes(4) + b"12345678\0" + (without_tls & 0xFFFF).to_bytes(2, "little")
        facts += b"\xff\x02\0" + (without_tls >> 16).to_bytes(2, "little") + b"\x15" + bytes(10)
        greeting = b"\x0a" + facts + b"123456789012\0caching_sha2_password\0"
        writer.write(len(greeting).to_bytes(3, "little") + b"\0" + greeting)
        heard.extend(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RotationFailed, match="did not let 'app' in"):
            await log_in(login_of(f"mysql://app:marked@127.0.0.1:{port}", "It"))
    assert heard == b""


async def test_a_server_that_never_comes_to_an_end_holds_no_thread() -> None:
    left = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"\xff\xff\x7f\0")  # a greeting of 8 MB
            connection.settimeout(0.05)
            while True:
                with suppress(TimeoutError):
                    if not connection.recv(1):
                        break
                connection.sendall(b"x")
        left.set()

    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen()
        server = threading.Thread(target=drip, args=(listener,), daemon=True)
        server.start()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await log_in(login_of(f"mysql://u:p@localhost/?unix_socket={folder}/s", "It"))
        assert await asyncio.to_thread(left.wait, 10)
