"""Azure's own SDK against the server, with no Azure anywhere: unchanged but for the addresses."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.identity import ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets.aio import SecretClient as AsyncSecretClient

from holdfast.config import Settings
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.crypto.keyring import generate_key
from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.folders import short_folder
from tests.support.installation import Installation, installed
from tests.support.postgres import fresh_database

UTC_2050 = datetime(2050, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
async def installation(postgres_server: EmbeddedPostgres) -> AsyncIterator[Installation]:
    """A standalone Holdfast."""
    with short_folder() as folder:
        certificate = ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))
        async with fresh_database(postgres_server.dsn) as dsn:
            settings = Settings(database_url=dsn, encryption_key=generate_key(), data_dir=folder)
            async with installed(settings, certificate) as running:
                yield running


@pytest.fixture(scope="module")
async def secret(installation: Installation) -> str:
    """The client secret of the client ``sdk``, which may do everything."""
    return await installation.register("sdk")


@contextmanager
def sync_client(installation: Installation, secret: str) -> Iterator[SecretClient]:
    ca = str(installation.ca_file)
    credential = ClientSecretCredential(
        installation.tenant,
        "sdk",
        secret,
        authority=installation.url,
        disable_instance_discovery=True,
        connection_verify=ca,
        retry_total=0,
    )
    options = {"verify_challenge_resource": False, "connection_verify": ca, "retry_total": 0}
    with credential, SecretClient(installation.url, credential, **options) as client:
        yield client


@pytest.fixture
async def client(installation: Installation, secret: str) -> AsyncIterator[AsyncSecretClient]:
    """The asynchronous client."""
    from azure.core.pipeline.transport import AioHttpTransport

    ca = str(installation.ca_file)
    credential = AsyncClientSecretCredential(
        installation.tenant,
        "sdk",
        secret,
        authority=installation.url,
        disable_instance_discovery=True,
        transport=AioHttpTransport(connection_verify=ca),
        retry_total=0,
    )
    options = {"verify_challenge_resource": False, "connection_verify": ca, "retry_total": 0}
    async with credential, AsyncSecretClient(installation.url, credential, **options) as made:
        yield made


async def test_the_asynchronous_client_runs_every_operation(client: AsyncSecretClient) -> None:
    made = await client.set_secret(
        "Async-One", "first", content_type="text/plain", tags={"k": "v"}, expires_on=UTC_2050, enabled=True
    )
    assert (made.value, made.properties.tags, made.properties.expires_on) == ("first", {"k": "v"}, UTC_2050)
    second = await client.set_secret("async-one", "second")
    assert (await client.get_secret("async-one")).value == "second"
    assert (await client.get_secret("ASYNC-ONE", made.properties.version)).value == "first"

    changed = await client.update_secret_properties("async-one", content_type="x", tags={}, enabled=False)
    assert (changed.content_type, changed.enabled, changed.version) == ("x", False, second.properties.version)
    with pytest.raises(HttpResponseError) as disabled:
        await client.get_secret("async-one")
    assert disabled.value.status_code == 403
    assert disabled.value.error is not None
    assert disabled.value.error.innererror["code"] == "SecretDisabled"
    await client.update_secret_properties("async-one", second.properties.version, enabled=True)

    versions = {item.version async for item in client.list_properties_of_secret_versions("async-one")}
    assert versions == {made.properties.version, second.properties.version}
    assert "Async-One" in [item.name async for item in client.list_properties_of_secrets(max_page_size=1)]

    backup = await client.backup_secret("async-one")
    deleted = await client.delete_secret("async-one")
    assert deleted.recovery_id is not None
    assert (await client.get_deleted_secret("async-one")).name == "Async-One"
    assert "Async-One" in [item.name async for item in client.list_deleted_secrets()]
    with pytest.raises(ResourceExistsError):
        await client.set_secret("async-one", "third")
    with pytest.raises(ResourceNotFoundError):
        await client.get_secret("async-one")
    recovered = await client.recover_deleted_secret("async-one")
    assert recovered.version == second.properties.version

    await client.delete_secret("async-one")
    await client.purge_deleted_secret("async-one")
    restored = await client.restore_secret_backup(backup)
    assert restored.version == second.properties.version
    assert (await client.get_secret("async-one", made.properties.version)).value == "first"


def run_every_operation(installation: Installation, secret: str) -> None:
    with sync_client(installation, secret) as client:
        made = client.set_secret("sync-one", "first", not_before=datetime(2020, 1, 1, tzinfo=UTC))
        second = client.set_secret("sync-one", "zweiter \U0001f600 \0 \n")
        assert client.get_secret("sync-one").value == "zweiter \U0001f600 \0 \n"
        assert client.get_secret("sync-one", made.properties.version).value == "first"
        assert client.update_secret_properties("sync-one", tags={"a": "b"}).tags == {"a": "b"}
        assert len(list(client.list_properties_of_secret_versions("sync-one", max_page_size=1))) == 2
        assert "sync-one" in {item.name for item in client.list_properties_of_secrets()}
        backup = client.backup_secret("sync-one")
        deletion = client.begin_delete_secret("sync-one", _polling_interval=0)
        deletion.wait(10)
        assert deletion.done()
        assert "sync-one" in {item.name for item in client.list_deleted_secrets()}
        recovery = client.begin_recover_deleted_secret("sync-one", _polling_interval=0)
        recovery.wait(10)
        assert recovery.result().version == second.properties.version
        client.begin_delete_secret("sync-one", _polling_interval=0).wait(10)
        client.purge_deleted_secret("sync-one")
        with pytest.raises(ResourceNotFoundError):
            client.get_deleted_secret("sync-one")
        assert client.restore_secret_backup(backup).version == second.properties.version


async def test_the_synchronous_client_runs_every_operation(installation: Installation, secret: str) -> None:
    await asyncio.to_thread(run_every_operation, installation, secret)


async def test_a_wrong_client_secret_is_an_authentication_error(installation: Installation) -> None:
    def attempt() -> None:
        with sync_client(installation, "wrong") as client, pytest.raises(ClientAuthenticationError):
            client.get_secret("any")

    await asyncio.to_thread(attempt)


async def test_i6_a_removed_client_is_out_with_the_token_it_holds(installation: Installation) -> None:
    removed = await installation.client("removed", await installation.register("removed"))
    assert (await removed.request("GET", "/secrets?api-version=7.4")).status == 200
    await installation.service.remove_client("removed")
    assert (await removed.request("GET", "/secrets?api-version=7.4")).status == 401


async def test_plain_http_is_refused_by_the_client_itself(installation: Installation, secret: str) -> None:
    def attempt() -> None:
        credential = ClientSecretCredential(installation.tenant, "sdk", secret, authority=installation.url)
        url = installation.url.replace("https", "http")
        with credential, SecretClient(url, credential, retry_total=0) as client, pytest.raises(ServiceRequestError):
            client.get_secret("any")

    await asyncio.to_thread(attempt)


async def test_under_the_configured_domain_the_default_verification_passes(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    from azure.keyvault.secrets._shared.challenge_auth_policy import _validate_challenge_resource

    from tests.support.https import Client

    with short_folder() as folder:
        certificate = ensure_server_certificate(folder / "tls", ["v.kv.example"], now=datetime.now(UTC))
        async with fresh_database(postgres_server.dsn) as dsn:
            settings = Settings(
                database_url=dsn, encryption_key=generate_key(), data_dir=folder, resource="https://kv.example"
            )
            async with installed(settings, certificate) as running:
                client = Client(running.port, running.ca_file, host="v.kv.example")
                challenge = (await client.request("GET", "/secrets?api-version=7.4")).header("www-authenticate") or ""
    resource = challenge.partition('resource="')[2].rstrip('"')
    # The SDK's own check, because a test cannot have port 443 and a name in DNS.
    _validate_challenge_resource(f"{resource}/.default", "https://v.kv.example/secrets")
