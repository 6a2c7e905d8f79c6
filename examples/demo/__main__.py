"""Kill the vault under load: every read is answered, every write accepted, and both sides end up equal."""

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError
from azure.identity.aio import ClientSecretCredential
from azure.keyvault.secrets.aio import SecretClient

from examples.demo.dotenv import read, secret_name
from examples.demo.readers import Readers
from examples.demo.servers import DemoRedis, DemoVault
from holdfast import SecretsService, Settings, create_secrets_service

READERS = 60
PATIENCE_S = Settings().read_patience.total_seconds()
"""The longest that an ailing vault may add to a read, until the circuit breaker opens."""

CLIENT = "demo-front"


def say(text: str) -> None:
    """Tell a person what goes on."""
    print(text, file=sys.stderr, flush=True)


class Demo:
    """One run, and its checks."""

    def __init__(self, folder: Path) -> None:
        self._vault, self._redis = DemoVault(folder / "vault"), DemoRedis()
        self._folder = folder
        self._history: dict[str, list[str]] = {}
        self._versions: dict[str, int] = {}
        self._rows: list[tuple[str, str, bool]] = []

    async def run(self) -> bool:
        """Return whether every check holds."""
        async with AsyncExitStack() as stack:
            say("Starting a vault, a Redis and a Holdfast in front of them …")
            stack.push_async_callback(self._vault.stop)
            await self._vault.register(CLIENT)
            stack.push_async_callback(self._redis.stop)
            await self._redis.start()
            await self._vault.start()
            service = await stack.enter_async_context(create_secrets_service(self._settings()))
            await self._import(service)
            values = {name: set(history) for name, history in self._history.items()}
            readers = Readers(service, values, self._versions, READERS)
            readers.start()
            stack.push_async_callback(readers.stop)
            await self._through_the_outage(service, readers, values)
            await readers.stop()
            await self._compare()
            self._check("reads served", readers.seen.served, readers.seen.served > READERS)
            self._check("reads failed", readers.seen.failed, readers.seen.failed == 0)
            self._check("wrong values read", readers.seen.wrong, readers.seen.wrong == 0)
            for failure in readers.seen.failures[:5]:
                say(failure)
        self._print()
        return all(holds for _, _, holds in self._rows)

    def _settings(self) -> Settings:
        return Settings(
            data_dir=self._folder / "front",
            keyvault_url=self._vault.url,
            keyvault_ca=self._vault.ca_file,
            authority_host=self._vault.url,
            tenant_id=self._vault.tenant,
            client_id=CLIENT,
            client_secret=self._vault.client_secret,
            redis_url=self._redis.url,
            cache_ttl=timedelta(seconds=1),
        )

    async def _import(self, service: SecretsService) -> None:
        entries = read(Path(__file__).with_name("demo.env"))
        for variable, value in entries.items():
            await self._write(service, secret_name(variable), value)
        say(f"Imported {len(entries)} entries; {READERS} readers begin.")

    async def _write(self, service: SecretsService, name: str, value: str) -> bool:
        result = await service.set_secret(name, value)
        self._history.setdefault(name, []).append(value)
        self._versions[name] = result.version
        return result.replicated

    async def _through_the_outage(self, service: SecretsService, readers: Readers, values: dict[str, set[str]]) -> None:
        await asyncio.sleep(3)
        usual_s = readers.longest_s()
        say("Killing the vault.")
        await self._vault.kill()
        await asyncio.sleep(3)
        worst_s = readers.longest_s()
        self._check("worst read before the kill (ms)", round(usual_s * 1000), holds=True)
        self._check("worst read around the kill (ms)", round(worst_s * 1000), worst_s <= usual_s + PATIENCE_S)
        changed = sorted(self._history)[:6]
        accepted = 0
        for round_ in (1, 2):
            for name in changed:
                value = f"written in the outage, {round_}, {name}"
                values[name].add(value)
                accepted += not await self._write(service, name, value)
        gone = max(self._history)
        readers.forget(gone)
        accepted += not (await service.delete_secret(gone)).replicated
        self._history[gone] = []
        waiting = (await service.get_secret_health()).open_intents
        self._check("writes accepted in the outage", accepted, accepted == 2 * len(changed) + 1)
        await asyncio.sleep(3)
        later_s = readers.longest_s()
        self._check("worst read later in it (ms)", round(later_s * 1000), later_s < max(usual_s, PATIENCE_S))
        say("Bringing the vault back; the breaker lets a probe through soon.")
        await self._vault.start()
        await self._replayed(service, waiting)

    async def _replayed(self, service: SecretsService, waiting: int) -> None:
        began = time.monotonic()
        left = waiting
        while left and time.monotonic() - began < 120:
            await asyncio.sleep(1)
            left = (await service.get_secret_health()).open_intents
        say(f"Replayed {waiting - left} changes, {time.monotonic() - began:.0f} s after the vault came back.")
        self._check("changes replayed", waiting - left, left == 0 and waiting > 0)

    async def _compare(self) -> None:
        equal = 0
        async with self._client() as client:
            for name, history in self._history.items():
                found = [item async for item in client.list_properties_of_secret_versions(name)]
                found.sort(key=lambda item: int((item.tags or {})["holdfast"].partition(".")[0]))
                values = [(await client.get_secret(name, item.version)).value for item in found]
                equal += values == history and (bool(history) or await _is_deleted(client, name))
        self._check("secrets equal on both sides", f"{equal} of {len(self._history)}", equal == len(self._history))

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[SecretClient]:
        ca = str(self._vault.ca_file)
        credential = ClientSecretCredential(
            self._vault.tenant,
            CLIENT,
            self._vault.client_secret,
            authority=self._vault.url,
            disable_instance_discovery=True,
            connection_verify=ca,
        )
        client = SecretClient(self._vault.url, credential, connection_verify=ca, verify_challenge_resource=False)
        async with credential, client:
            yield client

    def _check(self, what: str, figure: object, holds: bool) -> None:
        self._rows.append((what, str(figure), holds))

    def _print(self) -> None:
        for what, figure, holds in self._rows:
            print(f"{what:<32}{figure:>12}  {'ok' if holds else 'NOT AS PROMISED'}")


async def _is_deleted(client: SecretClient, name: str) -> bool:
    try:
        return (await client.get_deleted_secret(name)).name == name
    except ResourceNotFoundError:
        return False


def main() -> int:
    """Run the demo in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-demo-", dir="/tmp"))
    folder.chmod(0o711)  # the account that runs PostgreSQL under root passes through
    try:
        return 0 if asyncio.run(_until_told(Demo(folder))) else 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        say("Stopped.")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _until_told(demo: Demo) -> bool:
    """Run the demo; Ctrl-C and SIGTERM end it, with every process it started."""
    run = asyncio.ensure_future(demo.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, run.cancel)
    return await run


if __name__ == "__main__":
    sys.exit(main())
