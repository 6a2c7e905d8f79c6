"""Streams: every record arrives at least once and in order; one that is blocked disturbs nobody and loses nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.chain import parse_line
from holdfast.domain.checkpoint import parse_checkpoint
from holdfast.errors import BackendUnavailable
from holdfast.outlets import open_outlet
from holdfast.ports import StreamState
from holdfast.service.audit.streaming import CHECKPOINTS, RECORDS, Stream, Streamer
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.streams import PostgresStreams
from tests.support.node import Inside, service_on, within
from tests.support.postgres import execute, fetch


class Memory:
    """An outlet that fails while ``broken``, and hangs while ``blocked``."""

    name = "memory"

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.broken = self.blocked = False

    async def send(self, lines: Sequence[bytes]) -> None:
        if self.blocked:
            await asyncio.Event().wait()
        self.lines += lines
        if self.broken:
            raise BackendUnavailable("the receiver went away")

    def operations(self) -> list[str]:
        return [json.loads(line)["operation"] for line in self.lines]


def streamer(inside: Inside, *streams: Stream) -> Streamer:
    return Streamer(streams, PostgresStreams(inside.database), inside.parts.clock)


async def drained(inside: Inside, stream: Stream, node: Streamer | None = None) -> None:
    """Deliver all there is, as a node that leads."""
    await inside.parts.trail.aclose()
    node = node or streamer(inside, stream)
    assert await node._store.lead(stream.name, node._holder, inside.parts._lease)
    while await node.deliver(stream):
        pass


async def test_records_arrive_in_order_and_once_while_nothing_fails(inside: Inside) -> None:
    outlet = Memory()
    stream = Stream(RECORDS, outlet)
    node = streamer(inside, stream)
    await inside.service.set_secret("k", "v")
    for _ in range(3):
        await inside.service.get_secret("k")
        await drained(inside, stream, node)
    assert outlet.operations() == ["audit.open", "set", "get", "get", "get"]
    assert [parse_line(line).seq for line in outlet.lines] == [1, 2, 3, 4, 5]


async def test_what_was_not_confirmed_is_sent_again_by_whoever_leads_next(inside: Inside, database_url: str) -> None:
    outlet = Memory()
    stream = Stream(RECORDS, outlet)
    outlet.broken = True
    await inside.service.set_secret("k", "v")
    with pytest.raises(BackendUnavailable):
        await drained(inside, stream)
    outlet.broken = False
    other = streamer(inside, stream)
    assert not await other._store.lead(stream.name, other._holder, inside.parts._lease), "somebody else leads"
    await execute(database_url, "UPDATE audit_streams SET lease_until = now()")
    await drained(inside, stream, other)
    assert outlet.operations() == ["audit.open", "set"] * 2


async def test_one_that_lost_the_lead_moves_no_cursor(inside: Inside, database_url: str) -> None:
    stream = Stream(RECORDS, Memory())
    late, next_one = streamer(inside, stream), streamer(inside, stream)
    await inside.service.set_secret("k", "v")
    await inside.parts.trail.aclose()
    assert await late._store.lead(stream.name, late._holder, inside.parts._lease)
    await execute(database_url, "UPDATE audit_streams SET lease_until = now()")
    assert await next_one._store.lead(stream.name, next_one._holder, inside.parts._lease)
    assert await late.deliver(stream)
    assert await fetch(database_url, "SELECT count(*) FROM audit_stream_cursors") == 0


async def test_a_record_that_arrives_late_from_a_local_log_is_not_skipped(inside: Inside, database_url: str) -> None:
    outlet = Memory()
    stream = Stream(RECORDS, outlet)
    for name in "abc":
        await inside.service.set_secret(name, "v")
    await inside.parts.trail.aclose()
    await execute(
        database_url,
        "CREATE TABLE late AS SELECT * FROM secret_access_logs WHERE seq = 3",
        "DELETE FROM secret_access_logs WHERE seq = 3",
    )
    node = streamer(inside, stream)
    await drained(inside, stream, node)
    assert [parse_line(line).seq for line in outlet.lines] == [1, 2]
    await execute(database_url, "INSERT INTO secret_access_logs SELECT * FROM late")
    await drained(inside, stream, node)
    assert [parse_line(line).seq for line in outlet.lines] == [1, 2, 3, 4]


@pytest.mark.parametrize("removed", [(2,), (2, 3), (5,), (4, 5)])
async def test_what_was_removed_from_under_a_checkpoint_holds_up_no_other_record(
    inside: Inside, database_url: str, removed: tuple[int, ...]
) -> None:
    outlet = Memory()
    stream = Stream(RECORDS, outlet)
    node = streamer(inside, stream)
    await inside.service.set_secret("k", "v")
    for _ in range(3):
        await inside.service.get_secret("k")
    await inside.parts.trail.aclose()
    await execute(
        database_url,
        "UPDATE audit_chains SET signed_seq = 5",
        f"DELETE FROM secret_access_logs WHERE seq = ANY ('{{{','.join(map(str, removed))}}}')",
    )
    await inside.service.get_secret("k")
    await drained(inside, stream, node)
    kept = [seq for seq in range(1, 7) if seq not in removed]
    assert [parse_line(line).seq for line in outlet.lines] == kept


async def test_a_blocked_stream_blocks_neither_reads_nor_other_streams(inside: Inside) -> None:
    blocked, broken, good = Memory(), Memory(), Memory()
    blocked.name, broken.name, good.name = "blocked", "broken", "good"
    blocked.blocked = broken.broken = True
    node = streamer(inside, *(Stream(RECORDS, each) for each in (blocked, broken, good)))
    running = asyncio.create_task(node.run())
    try:
        await inside.service.set_secret("k", "v")
        for _ in range(20):
            await inside.service.get_secret("k")

        async def all_there() -> bool:
            states = await _states_of(node)
            return states["records to good"].delivered == 22 and states["records to broken"].last_error is not None

        await within(20, all_there)
        states = await _states_of(node)
    finally:
        running.cancel()
        await asyncio.wait({running})
    assert blocked.lines == []
    assert good.operations().count("get") == 20
    assert states["records to blocked"].waiting == 22
    assert states["records to broken"].last_error == "the receiver went away"
    assert states["records to good"].last_error is None


async def _states_of(node: Streamer) -> dict[str, StreamState]:
    states = await node._store.states([(stream.name, stream.kind) for stream in node.streams])
    return {each.name: each for each in states}


async def test_checkpoints_are_streamed_from_the_first(inside: Inside) -> None:
    outlet = Memory()
    stream = Stream(CHECKPOINTS, outlet)
    node = streamer(inside, stream)
    for _ in range(3):
        await inside.service.set_secret("k", "v")
        await inside.parts.trail.aclose()
        await inside.parts.audit.checkpointer.make()
    await drained(inside, stream, node)
    assert [parse_checkpoint(line)[0].checkpoint for line in outlet.lines] == [1, 2, 3]
    (state,) = await node._store.states([(stream.name, stream.kind)])
    assert (state.delivered, state.waiting) == (3, 0)


async def test_the_settings_start_streams(database_url: str, tmp_path: Path) -> None:
    records, checkpoints = tmp_path / "records", tmp_path / "checkpoints"
    places: dict[str, Any] = {"audit_streams": [f"file:{records}"], "audit_checkpoints": [f"file:{checkpoints}"]}
    async with service_on(database_url, tmp_path, None, background=True, **places) as service:
        await service.set_secret("k", "c4n4ry")
        await within(20, lambda: _holds(records, b'"operation":"set"'))
        await within(20, lambda: _holds(checkpoints, b'"signature"'))
        states = await _states(service)
    assert set(states) == {f"records to file {records}", f"checkpoints to file {checkpoints}"}
    assert b"c4n4ry" not in records.read_bytes()


async def _holds(file: Path, text: bytes) -> bool:
    return file.exists() and text in file.read_bytes()


async def _states(service: SecretsService) -> dict[str, int]:
    return {each.name: each.delivered for each in await service.audit.streams()}


# --- outlets, against real receivers ---

LINES = [b'{"timestamp":"2026-01-31T10:00:00Z","seq":1}', b'{"time":"2026-01-31T10:00:01Z","checkpoint":1}']


async def test_a_file_goes_on_after_a_line_that_a_crash_cut_short(tmp_path: Path) -> None:
    file = tmp_path / "trail"
    outlet = open_outlet(f"file:{file}")
    await outlet.send(LINES[:1])
    with file.open("ab") as stream:
        stream.write(b'{"half')
    await outlet.send(LINES[1:])
    assert file.read_bytes().splitlines() == [LINES[0], b'{"half', LINES[1]]
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackendUnavailable):
        await open_outlet(f"file:{tmp_path}").send(LINES)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.got.put_nowait(data)


@pytest.mark.parametrize("kind", ["udp", "unix"])
async def test_syslog_datagrams_are_rfc_5424(short_path: Path, kind: str) -> None:
    receiver, loop = _Datagrams(), asyncio.get_running_loop()
    path = str(short_path / "log")
    if kind == "udp":
        transport, _ = await loop.create_datagram_endpoint(lambda: receiver, ("127.0.0.1", 0))
        outlet = open_outlet(f"syslog://127.0.0.1:{transport.get_extra_info('sockname')[1]}")
    else:
        transport, _ = await loop.create_datagram_endpoint(lambda: receiver, path, family=1)
        outlet = open_outlet(f"syslog+unix:{path}")
    try:
        await outlet.send(LINES)
        first, second = [await asyncio.wait_for(receiver.got.get(), 30) for _ in range(2)]
    finally:
        transport.close()
    assert first.startswith(b"<110>1 2026-01-31T10:00:00Z ")
    assert b" holdfast " in first
    assert first.endswith(b" audit - \xef\xbb\xbf" + LINES[0])
    assert second.startswith(b"<110>1 2026-01-31T10:00:01Z ")


async def test_syslog_over_tcp_counts_octets(unused_tcp_server: "Receiver") -> None:
    outlet = open_outlet(f"syslog+tcp://127.0.0.1:{unused_tcp_server.port}")
    await outlet.send(LINES)
    data = unused_tcp_server.got
    for line in LINES:
        length, _, data = data.partition(b" ")
        assert data[: int(length)].endswith(line)
        data = data[int(length) :]
    assert data == b""
    with pytest.raises(BackendUnavailable):
        await open_outlet("syslog+tcp://127.0.0.1:1").send(LINES)


class Receiver:
    """Keeps what comes in over TCP, and says ``answer``."""

    def __init__(self) -> None:
        self.got, self.answer, self.port = b"", b"", 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Receiver"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.got += data
            if self.answer and self.got.endswith(b"}\n"):
                writer.write(self.answer)
                break
        writer.close()


@pytest.fixture
async def unused_tcp_server() -> AsyncIterator[Receiver]:
    async with Receiver().listening() as receiver:
        yield receiver


@pytest.fixture
def short_path(data_folder: Path) -> Path:
    """A folder whose name fits into the address of a socket."""
    return data_folder.parent


@pytest.mark.parametrize(
    ("status", "taken"), [("200 OK", True), ("204 No Content", True), ("302 Found", False), ("500 No", False)]
)
async def test_a_webhook_takes_lines_as_a_post_and_confirms_by_its_status(
    unused_tcp_server: Receiver, status: str, taken: bool
) -> None:
    unused_tcp_server.answer = (
        f"HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".encode()
    )
    outlet = open_outlet(f"http://127.0.0.1:{unused_tcp_server.port}/hook?token=c4n4ry")
    assert "c4n4ry" not in outlet.name
    if taken:
        await outlet.send(LINES)
    else:
        with pytest.raises(BackendUnavailable):
            await outlet.send(LINES)
    request, _, body = unused_tcp_server.got.partition(b"\r\n\r\n")
    assert request.startswith(b"POST /hook?token=c4n4ry HTTP/1.1\r\n")
    assert body.splitlines() == LINES
