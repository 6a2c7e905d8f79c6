"""I1: every operation that can be asked for is on record once, whichever surface it is asked on, however it ends.

The tables are complete by construction: a new method, route or operation without a row fails a test here.
"""

import base64
import inspect
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from holdfast.domain.audit import AuditRecord
from holdfast.domain.chain import OPEN, Entry
from holdfast.domain.policy import AccessContext, Permission
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import HoldfastError
from holdfast.keyvault_wire.routes import Operation
from holdfast.service.manager import SecretsService
from holdfast.web.compose import create_server_app
from holdfast.web.exchange import ASGIApp
from holdfast.web.v1.table import OPERATIONS
from tests.support.asgi import ask
from tests.support.folders import short_folder
from tests.support.https import Client
from tests.support.node import Inside, opened, settings_for
from tests.support.operations import ROWS, UNRECORDED, WITH_THE_CHANGE, Ask, Row, Scene
from tests.support.postgres import fresh_database
from tests.support.scripted_vault import ScriptedVault

SPARE_KEYS = tuple(base64.b64encode(bytes(range(first, first + 32))).decode() for first in (100, 140, 180, 220))
SIGNING_KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ROOT, STRANGER = AccessContext(user_id="root"), AccessContext(user_id="stranger")


class Sink:
    """Passes records on to a real sink, and shows those that it took."""

    def __init__(self, real: Any, seen: list[AuditRecord]) -> None:
        self._real, self._seen = real, seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def write(self, entries: Sequence[Entry]) -> None:
        await self._real.write(entries)
        self._seen += [entry.record for entry in entries if entry.record.operation != OPEN]


@dataclass
class Node:
    """A node, its server, and every record as it becomes durable."""

    inside: Inside
    app: ASGIApp
    dsn: str
    folder: Path
    seen: list[AuditRecord] = field(default_factory=list)
    stored: list[AuditRecord] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False

    async def scene(self, row: Row, name: str | None = None) -> Scene:
        scene = Scene(self.inside.service, self.dsn, name or f"op-{uuid4().hex[:12]}", ROOT, self.folder)
        if name is None:
            for prepare in row.prepare:
                await prepare(scene)
        return scene

    async def token(self, identity: str) -> str:
        """A token of an identity, which is made if need be."""
        if identity not in self.tokens:
            with suppress(HoldfastError):
                await self.inside.service.identities.add(identity, "person")
            self.tokens[identity] = (await self.inside.service.tokens.create(identity)).token
        return self.tokens[identity]

    @asynccontextmanager
    async def cut(self) -> AsyncIterator[None]:
        """No connection to PostgreSQL is lent meanwhile."""
        self.is_cut = True
        try:
            yield
        finally:
            self.is_cut = False

    def of(self, identity: str) -> list[tuple[str, str, bool, str | None]]:
        """What is on record of an identity since the last look."""
        found = [
            (each.operation, each.name, each.success, each.error_code) for each in self.seen if each.user_id == identity
        ]
        return sorted(found, key=repr)


@asynccontextmanager
async def running(dsn: str, folder: Path, vault: ScriptedVault | None = None) -> AsyncIterator[Node]:
    more: dict[str, Any] = {
        "decryption_keys": SPARE_KEYS,
        "notice_targets": ("https://127.0.0.1:9",),
        "notice_channels": (("page", f"webhook:https://127.0.0.1:9/hook#{SIGNING_KEY}"),),
    }
    async with opened(dsn, folder, vault, **more) as inside:
        node = Node(inside, create_server_app(inside.service, settings_for(dsn, folder, vault, **more)), dsn, folder)
        trail = inside.parts.trail
        trail._first, trail._local = Sink(trail._first, node.seen), Sink(trail._local, node.seen)
        inside.database.kept += [node.seen.extend, node.stored.extend]
        inside.database.answering = lambda: not node.is_cut  # however slow the machine is
        for everything in ("root", "boss-1", "boss-2"):
            await inside.service.grant_access("*", everything, tuple(Permission))
        for identity in ("root", "stranger"):
            await node.token(identity)
        yield node


@pytest.fixture(scope="module")
async def node(postgres_server: EmbeddedPostgres) -> AsyncIterator[Node]:
    """One node that stands alone, for all rows: each has a secret and a person of its own."""
    with short_folder() as folder:
        async with fresh_database(postgres_server.dsn) as dsn, running(dsn, folder) as node:
            yield node


@pytest.fixture(scope="module")
async def before_a_vault(postgres_server: EmbeddedPostgres) -> AsyncIterator[Node]:
    """One with a Key Vault behind it."""
    with short_folder() as folder:
        async with (
            ScriptedVault() as vault,
            fresh_database(postgres_server.dsn) as dsn,
            running(dsn, folder, vault) as node,
        ):
            yield node


# --- completeness


def public_operations(facade: Any, prefix: str = "") -> Iterator[str]:
    """Everything that can be awaited or iterated over on a facade, and on what hangs on it."""
    for name in dir(facade):
        if name.startswith("_"):
            continue
        found = getattr(facade, name)
        if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
            yield prefix + name
        elif not callable(found) and type(found).__module__.startswith(("holdfast.service", "holdfast.contract")):
            yield from public_operations(found, f"{prefix}{name}.")


async def test_every_method_of_the_library_has_a_row(node: Node) -> None:
    assert isinstance(node.inside.service, SecretsService)
    asked = {key for key, row in ROWS.items() if row.call is not None}
    assert set(public_operations(node.inside.service)) == asked | set(UNRECORDED)


def test_every_operation_of_our_own_api_has_a_row() -> None:
    rows = [name for row in ROWS.values() for name in row.v1]
    assert sorted(rows) == sorted(operation.id for operation in OPERATIONS)
    by_id = {operation.id: operation for operation in OPERATIONS}
    for row in ROWS.values():
        for name, wanted in row.v1.items():
            assert wanted.method == by_id[name].method


def test_every_operation_of_key_vaults_api_has_a_row() -> None:
    rows = {name.partition(" ")[0] for row in ROWS.values() for name in row.kv}
    assert rows == set(Operation)


# --- how each is asked for

Way = tuple[str, str]
"""A row, and the operation of a surface: "" for the library."""

WAYS: list[Way] = [(key, way) for key, row in ROWS.items() for way in (*([""] if row.call else []), *row.v1, *row.kv)]
ids = [f"{key}-{way or 'library'}" for key, way in WAYS]


def asking(row: Row, way: str) -> Ask:
    return {**row.v1, **row.kv}[way]


async def perform(node: Node, scene: Scene, way: Way, who: AccessContext) -> str | None:
    """Ask; returns the error's code where the library is asked, or the problem's."""
    row = ROWS[way[0]]
    if not way[1]:
        assert row.call is not None
        try:
            await row.call(scene, who)
        except HoldfastError as error:
            return error.code
        return None
    wanted = asking(row, way[1])
    client = Client(443, Path(), node.tokens[who.user_id])
    target = scene.filled(wanted.target)
    target += "" if way[1] in row.v1 else ("&" if "?" in target else "?") + "api-version=7.4"
    body = json.dumps(wanted.body(scene)).encode() if wanted.body else b""
    headers = {"content-type": "application/json", "content-length": str(len(body))} if body else {}
    status, _, answer = await ask(node.app, client, target, headers, method=wanted.method, body=body)
    if status < 300:
        return None
    found = json.loads(answer)
    return str(found.get("code", status))


def where(node: Node, vaulted: Node, row: Row) -> Node:
    return vaulted if row.vault else node


async def asker(node: Node, row: Row, scene: Scene, way: Way) -> AccessContext:
    if not row.person:
        return ROOT
    if way[1]:
        await node.token(scene.name)
    return scene.person


@pytest.mark.parametrize("way", WAYS, ids=ids)
async def test_i1_a_success_is_on_record_once(node: Node, before_a_vault: Node, way: Way) -> None:
    row = ROWS[way[0]]
    on = where(node, before_a_vault, row)
    scene = await on.scene(row)
    who = await asker(on, row, scene, way)
    on.seen.clear()
    on.stored.clear()
    assert await perform(on, scene, way, who) is None
    expected = [(row.record, scene.filled(row.about)), *((name, scene.filled(about)) for name, about in row.also)]
    assert on.of(who.user_id) == sorted([(name, about, True, None) for name, about in expected], key=repr)
    (version,) = {each.version for each in on.seen if (each.user_id, each.operation) == (who.user_id, row.record)}
    assert version == row.version or row.version is None
    assert {row.record} & WITH_THE_CHANGE <= {each.operation for each in on.stored}


@pytest.mark.parametrize("way", WAYS, ids=ids)
async def test_i1_a_refusal_is_on_record_once(node: Node, before_a_vault: Node, way: Way) -> None:
    row = ROWS[way[0]]
    on = where(node, before_a_vault, row)
    scene = await on.scene(row)
    wanted = asking(row, way[1]) if way[1] else Ask("", "")
    code = row.stranger if wanted.stranger == "" else wanted.stranger
    on.seen.clear()
    told = await perform(on, scene, way, STRANGER)
    about = "*" if row.unseen or wanted.early else scene.filled(row.about)
    assert on.of("stranger") == [(row.refused or row.record, about, code is None, code)]
    assert (told is None) is (code is None or way[0] in ("batch", "warm_cache"))


FAILING = [(way, name) for way, name in zip(WAYS, ids, strict=True) if ROWS[way[0]].fails is not None]


@pytest.mark.parametrize("way", [way for way, _ in FAILING], ids=[name for _, name in FAILING])
async def test_i1_a_failure_is_on_record_once(node: Node, before_a_vault: Node, way: Way) -> None:
    row = ROWS[way[0]]
    on = where(node, before_a_vault, row)
    if row.fails == "absent":
        scene = await on.scene(row, f"absent-{uuid4().hex[:12]}")
        scene.made["id"] = "0" * 32
        on.seen.clear()
        await perform(on, scene, way, ROOT)
        ((operation, about, success, code),) = on.of("root")
        assert (operation, about, success) == (row.record, scene.name, False)
        assert code in ("secret_not_found", "version_not_found")
        return
    scene = await on.scene(row)
    who = await asker(on, row, scene, way)
    on.seen.clear()
    async with on.cut():
        assert await perform(on, scene, way, who) is not None
    about = "*" if row.unseen or row.record.startswith("token.") else scene.filled(row.about)
    begun = [("backup.begin", "*", True, None)] if row.record == "backup.make" else []
    assert on.of(who.user_id) == [*begun, (row.record, about, False, "backend_unavailable")]


@pytest.mark.parametrize("key", ["check_access", "access.explain", "identities.totp.enrol", "tokens.list"])
async def test_i1_what_callers_ask_about_themselves_is_on_record(node: Node, key: str) -> None:
    scene = await node.scene(replace(ROWS[key], prepare=()))
    await node.inside.service.identities.add(scene.name, "person")
    me, service = scene.person, scene.service
    node.seen.clear()
    match key:
        case "check_access":
            await service.check_access("k", scene.name, "get", context=me)
        case "access.explain":
            await service.access.explain("k", scene.name, "get", context=me)
        case "identities.totp.enrol":
            await service.identities.totp.enrol(context=me)
        case _:
            await service.tokens.list(scene.name, context=me)
    ((operation, _, success, _),) = node.of(scene.name)
    assert (operation, success) == (ROWS[key].record.removesuffix(".other"), True)
