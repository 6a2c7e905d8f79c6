"""What is done in a round: reads and writes that are counted, and whose every answer is compared."""

from collections.abc import Awaitable, Callable, Mapping

from azure.keyvault.secrets.aio import SecretClient

from benchmarks.measuring import check, rate
from holdfast import AccessContext, SecretsService, Source

VALUE_CHARACTERS = 1000
WRITERS = 8


def value_of(text: str) -> str:
    """A value of the usual length."""
    return text.ljust(VALUE_CHARACTERS, ".")


def context_of(user_id: str) -> AccessContext:
    """Who asks, and from where."""
    return AccessContext(user_id=user_id, ip_address="10.0.0.5", user_agent="benchmark/1", request_id="r-1")


class Reads:
    """Reads by somebody, counted; every value and its tier are compared."""

    def __init__(self, service: SecretsService, user_id: str, values: Mapping[str, str], source: Source) -> None:
        self._service, self._context, self._source = service, context_of(user_id), source
        self._values, self._names = values, list(values)
        self.user_id, self.count = user_id, 0

    async def one(self, number: int) -> None:
        """Read one secret."""
        name = self._names[number % len(self._names)]
        secret = await self._service.get_secret(name, context=self._context)
        self.count += 1
        check(secret.value == self._values[name], "a read gave another value")
        check(secret.source is self._source, f"{secret.source} answered instead of {self._source}")

    def rounds(self, workers: int, total: int) -> Callable[[], Awaitable[float]]:
        """What does one round of ``total`` reads."""
        return lambda: rate(workers, total // workers, self.one)


class Sdk:
    """Reads by Azure's own client, from the vault."""

    def __init__(self, client: SecretClient, values: Mapping[str, str]) -> None:
        self._client, self._values, self._names = client, values, list(values)

    async def one(self, number: int) -> None:
        """Read one secret."""
        name = self._names[number % len(self._names)]
        check((await self._client.get_secret(name)).value == self._values[name], "the SDK read another value")


class Remembered:
    """The least a cache can be: a dictionary of plain values that anybody may read, off the record, for ever."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values, self._names, self._held = values, list(values), dict(values)

    async def one(self, number: int) -> None:
        """Look one up."""
        name = self._names[number % len(self._names)]
        check(self._held[name] == self._values[name], "a dictionary held another value")


class Writes:
    """Writes by somebody, counted, each secret by one writer. ``replicated``: those that Key Vault had at once."""

    def __init__(self, service: SecretsService, user_id: str) -> None:
        self._service, self._context = service, context_of(user_id)
        self.user_id, self.count, self.replicated, self.last = user_id, 0, 0, dict[str, str]()

    async def one(self, number: int) -> None:
        """Make a version."""
        name, value = f"written-{number % WRITERS}", value_of(f"{number} {self.count}")
        result = await self._service.set_secret(name, value, context=self._context)
        self.count += 1
        self.replicated += result.replicated
        self.last[name] = value

    def rounds(self, total: int) -> Callable[[], Awaitable[float]]:
        """What does one round of ``total`` writes."""
        return lambda: rate(WRITERS, total // WRITERS, self.one)
