"""Every attribute and setting of a secret is found again wherever the secret goes.

A field that is added to the domain's types fails here until it has an example, and travels everywhere.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec import structs

from holdfast.client.service import RemoteService, connect
from holdfast.config.client import ClientSettings
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.domain.attributes import Attributes
from holdfast.domain.intent import unmarked
from holdfast.domain.secret import RotationPolicy, SecretSettings, SecretSummary, Source
from holdfast.service.manager import SecretsService
from holdfast.web.compose import create_server_app
from tests.cli.runner import holdfast
from tests.support.https import Client
from tests.support.node import Inside, opened, settings_for, within
from tests.support.scripted_vault import ScriptedVault
from tests.support.server import running

ATTRIBUTES: Final[Mapping[str, Any]] = {
    "enabled": True,  # its own default: what is disabled is not read. See the last test.
    "not_before": datetime(2021, 2, 3, 4, 5, 6, tzinfo=UTC),
    "expires_at": datetime(2091, 2, 3, 4, 5, 6, tzinfo=UTC),
    "content_type": "text/x-every-field",
    "tags": {"team": "payments", "empty": ""},
}
SETTINGS: Final[Mapping[str, Any]] = {
    "description": "every field",
    "notify_on_expiry": ("ops@example.com", "dev@example.com"),
    "rotation_policy": RotationPolicy(
        enabled=False,
        interval_days=77,
        notify_days_before=7,
        auto_rotate=True,
        handler="random",
        options={"length": "40"},
        retire_after_days=9,
    ),
    "refuse_outside_validity": True,
}
TOLD_BY_KEY_VAULT: Final = {"not_before_seconds", "expires_at_seconds", "empty_tags", "vault"}
"""No client sets these; test_carried.py follows them."""
NOT_TOLD: Final = {"rotation_author"}
"""Whose word a policy is decides inside; tests/rotation/test_borrowing.py follows it."""

Found = Mapping[str, Any]
"""Fields by their names, in the domain's types or as their JSON."""


@dataclass(frozen=True)
class World:
    """A node in front of a vault, with a Redis, and a server over it; the secret ``k`` holds every field."""

    node: Inside
    vault: ScriptedVault
    client: Client
    environ: Mapping[str, str]
    more: Mapping[str, Any]

    @property
    def service(self) -> SecretsService:
        return self.node.service

    def remote(self) -> RemoteService:
        given = {"address": "HOLDFAST_ADDR", "token": "HOLDFAST_TOKEN"}
        ca_file = Path(self.environ["HOLDFAST_CACERT"])
        return connect(ClientSettings(**{name: self.environ[key] for name, key in given.items()}, ca_file=ca_file))

    async def command(self, *arguments: str) -> Any:
        """What a command tells as JSON, from afar."""
        done = await asyncio.to_thread(holdfast, *arguments, "--json", environ=self.environ)
        assert done.code == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
async def world(database_url: str, tmp_path: Path, scripted: ScriptedVault, redis_url: str) -> AsyncIterator[World]:
    settings = settings_for(database_url, tmp_path, scripted, redis_url=redis_url)
    certificate = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC))
    async with (
        opened(database_url, tmp_path, scripted, redis_url=redis_url) as node,
        running(create_server_app(node.service, settings), certificate) as port,
    ):
        await node.service.identities.add("app")
        await node.service.access.assign_role("app", "admin", "*")
        token = (await node.service.tokens.create("app")).token
        await node.service.set_secret("k", "first", **ATTRIBUTES, **SETTINGS)
        environ = {
            "HOLDFAST_ADDR": f"https://127.0.0.1:{port}",
            "HOLDFAST_TOKEN": token,
            "HOLDFAST_CACERT": str(certificate.ca_file),
            "HOME": str(tmp_path),
        }
        more = {"database_url": database_url, "folder": tmp_path / "second", "redis_url": redis_url}
        yield World(node, scripted, Client(port, certificate.ca_file, token), environ, more)


def plain(value: object) -> Any:
    """A value as its JSON, moments in one spelling."""
    if isinstance(value, str):
        try:
            return msgspec.convert(value, datetime).astimezone(UTC).isoformat()
        except msgspec.ValidationError:
            return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return msgspec.json.decode(msgspec.json.encode(value))


def check(found: object, wanted: Mapping[str, Any], *but: str) -> None:
    """See that an object or a document has every field, but for those that are named."""
    for name, value in wanted.items():
        if name not in but:
            told = found[name] if isinstance(found, Mapping) else getattr(found, name)
            assert plain(told) == plain(value), name


def check_summary(found: SecretSummary) -> None:
    check(found.current.attributes, ATTRIBUTES)
    check(found.settings, SETTINGS)


def named(listed: Any) -> Any:
    """The secret itself in a list or a page of documents."""
    (found,) = listed["items"] if isinstance(listed, dict) else listed
    return found


def test_there_is_an_example_of_every_field_and_none_is_its_default() -> None:
    """``enabled`` alone is: it has a test of its own."""
    assert {each.name for each in structs.fields(Attributes)} == ATTRIBUTES.keys() | TOLD_BY_KEY_VAULT
    assert {each.name for each in structs.fields(SecretSettings)} == SETTINGS.keys() | NOT_TOLD
    same = {name for name, value in ATTRIBUTES.items() if getattr(Attributes(), name) == value}
    same |= {name for name, value in SETTINGS.items() if getattr(SecretSettings(), name) == value}
    policy = structs.asdict(SETTINGS["rotation_policy"])
    same |= {f"policy.{name}" for name, value in policy.items() if value == _default(name)}
    assert same == {"enabled"}


def _default(name: str) -> object:
    return getattr(RotationPolicy(), name)


async def test_every_tier_answers_with_every_field(world: World) -> None:
    cached = await world.service.get_secret("k")
    await world.service.invalidate_cache("k")
    from_vault = await world.service.get_secret("k")
    async with opened(world.more["database_url"], world.more["folder"], world.vault) as other, world.vault.refusing():
        mirrored = await other.service.get_secret("k")
    assert (from_vault.source, cached.source, mirrored.source) == (Source.KEYVAULT, Source.CACHE, Source.MIRROR)
    for each in (from_vault, cached, mirrored, await from_redis(world)):
        check(each.attributes, ATTRIBUTES)
        assert each.description == SETTINGS["description"]


async def from_redis(world: World) -> Any:
    """The secret out of Redis, by a node whose memory is empty."""
    found: list[Any] = []

    async def read() -> bool:
        await world.service.get_secret("k")
        dsn, folder, url = (world.more[name] for name in ("database_url", "folder", "redis_url"))
        async with opened(dsn, folder, world.vault, redis_url=url) as other:
            found.append(await other.service.get_secret("k"))
        return found[-1].source is Source.REDIS

    await within(60, read)  # a Redis that is slow to answer is left out of a read
    return found[-1]


async def test_key_vault_holds_every_attribute(world: World) -> None:
    (held,) = world.vault.model.history("k")
    check(unmarked(held.attributes), ATTRIBUTES)


async def test_lists_show_every_field_near_and_far(world: World) -> None:
    check_summary(named(await world.service.list_secrets()))
    async with world.remote() as remote:
        check_summary(named(await remote.list_secrets()))
        check((await remote.get_secret("k")).attributes, ATTRIBUTES)
        check(named(await remote.list_secret_versions("k")).attributes, ATTRIBUTES)
    check(named(await world.service.list_secret_versions("k")).attributes, ATTRIBUTES)


async def test_both_apis_and_the_command_line_tell_every_field(world: World) -> None:
    documents = [
        named((await world.client.request("GET", "/v1/secrets")).json),
        named(await world.command("list")),
    ]
    for each in documents:
        check(each, {**ATTRIBUTES, **SETTINGS})
    for each in ((await world.client.request("GET", "/v1/secrets/k")).json, await world.command("get", "k")):
        check(each, ATTRIBUTES)
        check(each, SETTINGS, "notify_on_expiry", "rotation_policy", "refuse_outside_validity")
    bundle = (await world.client.request("GET", "/secrets/k?api-version=7.4")).json
    dates = {name: int(ATTRIBUTES[of].timestamp()) for name, of in (("nbf", "not_before"), ("exp", "expires_at"))}
    check(bundle["attributes"], {"enabled": True, **dates})
    check(bundle, {"contentType": ATTRIBUTES["content_type"], "tags": ATTRIBUTES["tags"]})


async def test_a_write_by_v1_and_by_the_command_line_keeps_every_field(world: World) -> None:
    body = {name: msgspec.to_builtins(value) for name, value in {**ATTRIBUTES, **SETTINGS}.items()}
    answer = await world.client.request("PUT", "/v1/secrets/by-v1", body={"value": "v", **body})
    assert answer.status == 200, answer.body
    check_summary(next(each for each in await world.service.list_secrets() if each.name == "by-v1"))


async def test_backup_and_restore_bring_every_field_back(world: World) -> None:
    blob = await world.service.backup_secret("k")
    await world.service.delete_secret("k")
    await world.service.purge_secret("k")
    await world.service.restore_secret(blob)
    check_summary(named(await world.service.list_secrets()))


async def test_a_rollback_brings_back_what_a_value_has_but_its_dates_and_leaves_the_settings(world: World) -> None:
    await world.service.set_secret("k", "second", content_type="other", tags={})
    await world.service.rollback_secret("k", 1)
    found = named(await world.service.list_secrets())
    check(found.current.attributes, ATTRIBUTES, "not_before", "expires_at")
    check(found.settings, SETTINGS)


async def test_an_update_of_one_field_leaves_every_other(world: World) -> None:
    for name in ("content_type", "description"):
        await world.service.update_secret("k", **{name: "changed"})  # type: ignore[arg-type]
        found = named(await world.service.list_secrets())
        check(found.current.attributes, ATTRIBUTES, "content_type")
        check(found.settings, SETTINGS, *(["description"] if name == "description" else []))


async def test_a_version_that_is_disabled_is_so_everywhere(world: World) -> None:
    await world.service.update_secret("k", enabled=False)
    async with world.remote() as remote:
        lists = [await remote.list_secrets(), await world.service.list_secrets()]
    shown = [named(each).current.attributes.enabled for each in lists]
    shown += [
        named((await world.client.request("GET", "/v1/secrets")).json)["enabled"],
        named(await world.command("list"))["enabled"],
    ]
    (held,) = world.vault.model.history("k")
    assert [*shown, held.attributes.enabled] == [False] * 5
