"""Tokens of a trusted issuer at the border: the same identities, groups, grants and records as by any other proof."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from holdfast.config import Settings
from holdfast.crypto.certificates import ServerCertificate
from holdfast.crypto.keyring import generate_key
from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied
from tests.support.folders import short_folder
from tests.support.https import Client
from tests.support.installation import Installation, installed
from tests.support.issuer import LocalIssuer, local_issuer
from tests.support.node import rows

PATH = "/secrets/db?api-version=7.4"
CLAIMS = {"aud": "holdfast", "sub": "repo:octo-org/app:ref:refs/heads/main", "repository": "octo-org/app"}
IDENTITY = "github:repo:octo-org/app:ref:refs/heads/main"


@dataclass
class World:
    """A server that trusts one issuer."""

    installation: Installation
    issuer: LocalIssuer
    dsn: str

    def client(self, **changes: object) -> Client:
        token = self.issuer.token({**CLAIMS, **changes})
        return Client(self.installation.port, self.installation.ca_file, token)


@pytest.fixture
async def world(database_url: str, tmp_path: Path, certificate: ServerCertificate) -> AsyncIterator[World]:
    with short_folder() as folder:
        async with local_issuer(folder) as issuer:
            file = tmp_path / "issuers.toml"
            file.write_text(
                f'[[issuer]]\nname = "github"\nissuer = "{issuer.url}"\naudiences = ["holdfast"]\n'
                f'groups_claim = "repository"\nca_file = "{issuer.ca_file}"\n'
            )
            settings = Settings(
                database_url=database_url, encryption_key=generate_key(), data_dir=tmp_path, oidc_issuers=file
            )
            async with installed(settings, certificate) as installation:
                await installation.service.set_secret("db", "v")
                yield World(installation, issuer, database_url)


async def test_an_identity_or_its_group_is_granted_and_on_record(world: World) -> None:
    service = world.installation.service
    assert (await world.client().request("GET", PATH)).status == 403
    await service.grant_access("db", IDENTITY, ["get"])
    assert (await world.client().request("GET", PATH)).status == 200
    assert (await world.client(sub="repo:other").request("GET", PATH)).status == 403
    await service.revoke_access("db", IDENTITY)
    await service.grant_access("db", "group:github:octo-org/app", ["get"])
    answer = await world.client().request("GET", PATH)
    assert answer.status == 200
    assert (await world.client(repository="octo-org/other").request("GET", PATH)).status == 403
    names = {
        user for (user,) in await rows(world.dsn, "SELECT user_id FROM secret_access_logs WHERE operation = 'get'")
    }
    assert names == {IDENTITY, "github:repo:other"}


async def test_groups_kept_here_count_and_cannot_be_claimed(world: World) -> None:
    service = world.installation.service
    await service.grant_access("db", "group:ops", ["get"])
    assert (await world.client(repository="ops").request("GET", PATH)).status == 403
    await service.identities.add(IDENTITY)
    await service.identities.set_groups(IDENTITY, ["ops"])
    assert (await world.client().request("GET", PATH)).status == 200


@pytest.mark.parametrize("proof", ["issuer", "token", "client"])
async def test_i6_whoever_leaves_a_group_kept_here_leaves_no_word_that_counts(world: World, proof: str) -> None:
    """What is kept of who said something, for when it is acted on, holds no membership that has ended since."""
    service, client = world.installation.service, world.client()
    await service.identities.add(IDENTITY)
    if proof == "token":
        client = replace(client, token=(await service.tokens.create(IDENTITY)).token)
    elif proof == "client":
        client = await world.installation.client("app", await world.installation.register("app", ()))
    who = "app" if proof == "client" else IDENTITY
    await service.grant_access("db", "group:ops", ["get", "set", "rotate"])
    await service.grant_access("db", "bob", ["rotate"])
    await service.identities.set_groups(who, ["ops"])
    policy = b'{"rotation_policy": {"interval_days": 30, "handler": "random"}}'
    answer = await client.request("PATCH", "/v1/secrets/db", policy, {"Content-Type": "application/json"})
    assert answer.status == 200, answer.body
    await service.identities.set_groups(who, [])
    with pytest.raises(AccessDenied, match="has to be confirmed"):
        await service.rotate_secret("db", context=AccessContext(user_id="bob"))


async def test_i6_a_disabled_identity_is_out_at_once(world: World) -> None:
    service, client = world.installation.service, world.client()
    await service.grant_access("db", IDENTITY, ["get"])
    assert (await client.request("GET", PATH)).status == 200
    await service.identities.add(IDENTITY)
    await service.identities.disable(IDENTITY)
    assert (await client.request("GET", PATH)).status == 401


async def test_other_proofs_work_beside_it(world: World) -> None:
    installation = world.installation
    client = await installation.client("app", await installation.register("app"))
    assert (await client.request("GET", PATH)).status == 200
    token = (await installation.service.tokens.create("app")).token
    assert (await replace(client, token=token).request("GET", PATH)).status == 200


async def test_refusals_are_401_and_an_issuer_without_keys_is_503(world: World) -> None:
    for changes in ({"aud": "other"}, {"exp": 1}, {"iss": "https://evil.example"}):
        answer = await world.client(**changes).request("GET", PATH)
        assert (answer.status, answer.codes) == (401, ("Unauthorized", None))
    world.issuer.down = True
    world.issuer.roll("key-2")
    assert (await world.client().request("GET", PATH)).status == 401
