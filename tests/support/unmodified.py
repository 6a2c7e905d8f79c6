"""A program that uses Azure's SDK as it is: by environment variables alone, with every check of it left on.

It is a process of its own, for the SDK reads its environment, and it reaches nothing but what the tunnel leads to.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from holdfast.config import Settings
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.crypto.keyring import generate_key
from tests.support.folders import short_folder
from tests.support.installation import Installation, installed
from tests.support.postgres import fresh_database
from tests.support.tunnel import Tunnel, tunnelling

DOMAIN: Final = "vault.holdfast.test"
HOST: Final = f"my.{DOMAIN}"
"""Known to no resolver: the tunnel leads there."""

_PATIENCE_S: Final = 60

READ: Final = """
from azure.identity import {credential}
from azure.keyvault.secrets import SecretClient

with {credential}() as credential, SecretClient("https://my.vault.holdfast.test", credential) as client:
    print(client.get_secret("{name}").value)
"""


@dataclass(frozen=True)
class Domain:
    """An installation under a name of its own, and the tunnel to it."""

    installation: Installation
    tunnel: Tunnel

    async def runs(self, program: str, **environ: str) -> tuple[int, str, str]:
        """Run a Python program that reaches this installation alone; return its exit code, output and errors."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            env=self.environ(environ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(_PATIENCE_S):
            out, errors = await process.communicate()
        return process.returncode or 0, out.decode().strip(), errors.decode()

    def environ(self, more: Mapping[str, str]) -> dict[str, str]:
        """The environment of a program that trusts this installation's certificate and goes through the tunnel."""
        return {
            "PATH": os.environ["PATH"],
            "HTTPS_PROXY": self.tunnel.url,
            "REQUESTS_CA_BUNDLE": str(self.installation.ca_file),
            **more,
        }


@asynccontextmanager
async def in_a_domain(dsn: str, **settings: Any) -> AsyncIterator[Domain]:
    """An installation on a database of its own, which is ``HOST`` to programs."""
    with short_folder() as folder:
        certificate = ensure_server_certificate(Path(folder) / "tls", [HOST], now=datetime.now(UTC))
        async with fresh_database(dsn) as database:
            chosen = Settings(
                database_url=database,
                encryption_key=generate_key(),
                data_dir=folder,
                resource=f"https://{DOMAIN}",
                **settings,
            )
            async with (
                installed(chosen, certificate) as installation,
                tunnelling({f"{HOST}:443": installation.port}) as tunnel,
            ):
                yield Domain(installation, tunnel)
