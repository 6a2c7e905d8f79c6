"""The recipes of the page on Azure: a node with its own identity there, from the settings as they stand on the page.

Entra ID, Key Vault and the endpoints of managed identities are stand-ins. The first two are reached by their names in
Azure: through a proxy that leads to this machine, with certificates for these names.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from holdfast.stores.keyvault.audience import foreign_resource
from holdfast.stores.keyvault.identity import MICROSOFT_AUTHORITIES
from tests.cli.environment import environment
from tests.support.azure_hosts import HEADER, IdentityHost, registered
from tests.support.certificates import make_client_certificate
from tests.support.connect_proxy import ConnectProxy
from tests.support.folders import short_folder
from tests.support.reference import ROOT
from tests.support.scripted_vault import CLIENT_ID, CLIENT_SECRET, TENANT, ScriptedVault
from tests.support.serving import PROGRAM, serving
from tests.support.world import KEY

pytestmark = pytest.mark.usefixtures("durable_server")

PAGE: Final = (ROOT / "docs" / "azure.md").read_text()
TOKEN: Final = "e30.eyJpc3MiOiJodHRwczovL29pZGMuZXhhbXBsZSJ9.c4n4ry"
VALUE: Final = "c4n4ry-value"

_BLOCK: Final = re.compile(r"^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SETTING: Final = re.compile(r"[A-Z][A-Z0-9_]*=\S+")


def recipes() -> dict[str, dict[str, str]]:
    """The settings of each section of the page that has any, with what its place adds."""
    found: dict[str, dict[str, str]] = {}
    for section in PAGE.split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
        settings = dict(line.split("=", 1) for line in lines if _SETTING.fullmatch(line))
        if settings:
            found[heading] = settings
    return found


@dataclass
class Place:
    """Where a node runs. ``environ``: what a process is given there. ``asked``: the hosts that it went to."""

    environ: dict[str, str]
    vault: ScriptedVault
    proxy: ConnectProxy
    host: IdentityHost

    @property
    def asked(self) -> set[str]:
        return {place.removesuffix(":443") for place in self.proxy.opened}


@asynccontextmanager
async def place_of(heading: str, dsn: str, folder: Path) -> AsyncIterator[Place]:
    """A clean home with the files that a recipe names, in a network where Azure's names lead to stand-ins."""
    settings = recipes()[heading]
    address = settings.get("AZURE_KEYVAULT_URL", "").removeprefix("https://")
    vault_host = address or f"{settings['AZURE_KEYVAULT_NAME']}.vault.azure.net"
    authority = re.sub(r"https://|/$", "", settings.get("AZURE_AUTHORITY_HOST", "login.microsoftonline.com"))
    names, resource = (vault_host, authority), f"https://{vault_host.partition('.')[2]}"
    async with AsyncExitStack() as stack:
        vault = await stack.enter_async_context(ScriptedVault(host=vault_host, names=names, resource=resource))
        host = await stack.enter_async_context(IdentityHost(vault))
        routes = {f"{name}:443": vault.port for name in names}
        proxy = await stack.enter_async_context(ConnectProxy(routes=routes))
        certificate = make_client_certificate(folder)
        if "AZURE_CLIENT_CERTIFICATE_PATH" in settings:
            vault.assertion_fault = registered(certificate, f"https://{authority}/{TENANT}")
        if "AZURE_FEDERATED_TOKEN_FILE" in settings:
            vault.assertion_fault = lambda shown: 0 if shown == TOKEN else 70021
        places = {
            "TENANT": TENANT,
            "CLIENT": CLIENT_ID,
            "…": HEADER,
            "/etc/holdfast/client.pem": str(certificate),
            "/etc/holdfast/client.secret": _written(folder / "client.secret", CLIENT_SECRET),
            "/var/run/secrets/azure/tokens/azure-identity-token": _written(folder / "token", TOKEN),
            "/var/tmp/holdfast": str(folder / "data"),
            "http://127.0.0.1:41741/msi/token": host.app_service()["IDENTITY_ENDPOINT"],
            "http://127.0.0.1:8081/msi/token": host.app_service()["IDENTITY_ENDPOINT"],
        }
        environ = {
            "PATH": os.environ["PATH"],
            "HTTPS_PROXY": proxy.url,
            "HOLDFAST_KEYVAULT_CA": str(vault.ca_file),
            **environment(dsn, folder),
            **(host.machine() if heading == "Virtual machine" else {}),
            **{name: places.get(value, value) for name, value in settings.items()},
        }
        yield Place(environ, vault, proxy, host)


def _written(path: Path, text: str) -> str:
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return str(path)


async def command(*arguments: str, environ: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``holdfast`` as a process of its own."""
    return await program_of(PROGRAM, *arguments, environ=environ, stdin=stdin)


async def program_of(
    text: str, *arguments: str, environ: Mapping[str, str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", text, *arguments],
        env=dict(environ),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    for secret in (CLIENT_SECRET, TOKEN, HEADER, KEY):
        assert secret not in done.stdout + done.stderr
    return done


async def told(place: Place) -> dict[str, list[str]]:
    """What doctor says: what is well of the identity, what of Key Vault, and what fails."""
    done = await command("doctor", "--json", environ=place.environ)
    findings = json.loads(done.stdout)["findings"]
    said = {
        check: [each["found"] for each in findings if each["check"] == check and each["level"] == "ok"]
        for check in ("azure", "keyvault")
    }
    return {**said, "failures": [each["found"] for each in findings if each["level"] == "failure"]}


def newest_in(vault: ScriptedVault, name: str) -> str:
    return vault.model.get(name)[1].value


SERVED: Final = ("AKS", "Virtual machine", "With a certificate", "With a secret", "Other clouds")
IN_PROCESS: Final = ("App Service", "Functions")
MANAGED: Final = ("Virtual machine", *IN_PROCESS)


def test_every_recipe_is_walked() -> None:
    assert set(recipes()) == {*SERVED, *IN_PROCESS}


@pytest.mark.parametrize("heading", [*SERVED, *IN_PROCESS])
async def test_doctor_is_content_and_says_who_the_node_is(heading: str, empty: str) -> None:
    with short_folder() as folder:
        async with place_of(heading, empty, folder) as place:
            said = await told(place)
            assert said["failures"] == []
            assert {"list: permitted.", "get: permitted."} <= {*said["keyvault"]}
            who = "system-assigned managed identity" if heading in MANAGED else f"the client {CLIENT_ID} of the tenant"
            assert who in said["azure"][0]
            assert len(place.asked) == (1 if heading in MANAGED else 2), "the vault, and Entra ID where that is asked"
            assert bool(place.host.asked) is (heading in MANAGED)


@pytest.mark.parametrize("heading", SERVED)
async def test_a_node_serves_and_its_changes_are_in_the_vault(heading: str, empty: str) -> None:
    with short_folder() as folder:
        async with (
            place_of(heading, empty, folder) as place,
            serving(empty, folder, logs=None, **place.environ) as server,
        ):
            client = {
                "HOLDFAST_ADDR": f"https://127.0.0.1:{server.port}",
                "HOLDFAST_TOKEN": server.admin_token,
                "HOLDFAST_CACERT": str(server.ca_file),
                "HOME": str(folder),
            }
            made = await command("set", "db-password", environ=client, stdin=VALUE)
            assert made.returncode == 0, made.stderr
            assert newest_in(place.vault, "db-password") == VALUE
            read = await command("get", "db-password", environ=client)
            assert read.stdout.strip() == VALUE


@pytest.mark.parametrize("heading", IN_PROCESS)
async def test_an_application_in_it_holds_the_library(heading: str, empty: str) -> None:
    (example,) = re.findall(
        r"^```python\n(import asyncio.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    with short_folder() as folder:
        async with place_of(heading, empty, folder) as place:
            done = await program_of(example, environ=place.environ)
            assert done.returncode == 0, done.stderr
            assert newest_in(place.vault, "stripe-api-key") == "sk_test_example"


async def test_an_identity_that_is_not_let_in_is_told_with_what_entra_compares(empty: str) -> None:
    with short_folder() as folder:
        async with place_of("AKS", empty, folder) as place:
            place.vault.assertion_fault = lambda _: 700213
            said = await told(place)
            (failure,) = said["failures"]
            assert "no federated credential has this workload's subject (AADSTS700213)." in failure
            assert f"Asked as the client {CLIENT_ID} of the tenant {TENANT}, by the federated token in" in failure
            assert said["azure"][1].startswith("The federated token is of the issuer https://oidc.example, ")


async def test_a_pod_without_the_label_does_not_start(empty: str) -> None:
    with short_folder() as folder:
        async with place_of("AKS", empty, folder) as place:
            added = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE")
            environ = {name: value for name, value in place.environ.items() if name not in added}
            done = await command("serve", environ=environ)
            assert done.returncode == 9
            assert "AZURE_FEDERATED_TOKEN_FILE is missing: HOLDFAST_AZURE_IDENTITY=federated needs it." in done.stderr
            assert not place.asked


async def test_an_unusable_certificate_is_found_before_the_database_is_asked() -> None:
    with short_folder() as folder:
        async with place_of("With a certificate", "postgresql://nobody@127.0.0.1:1/x", folder) as place:
            Path(place.environ["AZURE_CLIENT_CERTIFICATE_PATH"]).write_text("-----BEGIN c4n4ry")
            done = await command("serve", environ=place.environ)
            assert done.returncode == 9
            assert "AZURE_CLIENT_CERTIFICATE_PATH names " in done.stderr
            assert "c4n4ry" not in done.stderr
            assert not place.asked


def test_the_clouds_of_the_page_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| [^|]+ \| `\.(\S+)` \| `(\S+)` \| `(\S+)` \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for suffix, authority, scope in rows:
        assert authority in MICROSOFT_AUTHORITIES
        assert foreign_resource(scope, f"https://fleet-prod.{suffix}") is None
        assert scope == f"https://{suffix}/.default"
