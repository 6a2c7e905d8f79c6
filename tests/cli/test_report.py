"""``holdfast report``, on this machine and from a server: the same, in three forms."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from holdfast.config import Settings
from holdfast.crypto.certificates import ensure_server_certificate
from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.support.installation import installed
from tests.support.world import KEY


def test_it_is_written_in_three_forms(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)
    text = holdfast("report", "--framework", "soc2", "--framework", "gdpr", environ=environ)
    assert text.code == 0
    assert text.stdout.startswith("# Compliance report\n")
    assert "## SOC 2" in text.stdout
    assert "## HIPAA" not in text.stdout
    page = holdfast("report", "--format", "html", environ=environ)
    assert page.stdout.startswith("<!doctype html>")
    for asked in (("--format", "json"), ("--json",)):
        document = json.loads(holdfast("report", *asked, "--days", "7", environ=environ).stdout)
        assert [each["id"] for each in document["frameworks"]] == ["soc2", "iso27001", "hipaa", "pci-dss", "gdpr"]
    wrong = holdfast("report", "--framework", "sox", environ=environ)
    assert (wrong.code, wrong.stdout) == (2, "")
    assert "--framework must be one of soc2, iso27001, hipaa, pci-dss, gdpr." in wrong.stderr


async def test_a_server_gives_the_same(database_url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=database_url, encryption_key=KEY, data_dir=tmp_path / "data")
    certificate = ensure_server_certificate(tmp_path / "data" / "tls", [], now=datetime.now(UTC))
    async with installed(settings, certificate) as installation:
        for name, permissions in (("auditor", ["audit"]), ("app", ["get"])):
            secret = await installation.register(name, permissions)
            client = await installation.client(name, secret)
            answer = await client.request("GET", "/v1/compliance?framework=gdpr,hipaa&days=30")
            assert answer.status == (200 if name == "auditor" else 403)
            if name == "auditor":
                assert [each["id"] for each in answer.json["frameworks"]] == ["gdpr", "hipaa"]
                (transport,) = (each for each in answer.json["evidence"] if each["id"] == "transport")
                assert "serves over TLS, with a certificate that is good until" in transport["statement"]
                environ = {
                    "HOLDFAST_ADDR": installation.url,
                    "HOLDFAST_TOKEN": str(client.token),
                    "HOLDFAST_CACERT": str(certificate.ca_file),
                    "HOME": str(tmp_path),
                }
                told = await asyncio.to_thread(holdfast, "report", "--framework", "gdpr", environ=environ)
                assert told.code == 0, told.stderr
                assert "## GDPR" in told.stdout
        refused = await client.request("GET", "/v1/compliance?framework=sox")
        assert refused.status == 400
