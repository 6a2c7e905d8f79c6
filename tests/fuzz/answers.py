"""What other servers answer: Key Vault, token endpoints, issuers, Holdfasts, KV engines, brokers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cache
from typing import Any, Final, cast

from holdfast.agent import asking, platform
from holdfast.agent.credentials import ClientSecret
from holdfast.client import connection, device
from holdfast.client.audit import RemoteAudit
from holdfast.client.secrets import RemoteSecrets
from holdfast.config.azure import AzureSettings
from holdfast.errors import HoldfastError
from holdfast.importing.kv import KvSource
from holdfast.importing.trees import Fields
from holdfast.outlets import syslog
from holdfast.resilience.clock import SystemClock
from holdfast.rotators import rabbitmq
from holdfast.rotators.urls import user_url
from holdfast.stores.keyvault import inspection, pages, token_failures
from holdfast.stores.keyvault.answers import Answers, odd
from holdfast.stores.keyvault.claims import claims_of
from holdfast.stores.keyvault.entra import token_error
from holdfast.stores.keyvault.errors import ImplausibleAnswer, retry_after_s
from holdfast.stores.keyvault.links import Course, ListingEnds
from holdfast.v1_wire.documents import Document
from tests.fuzz.target import Target, as_json, as_latin, as_text, one_of

HERE: Final = "https://v.vault.azure.net"
ID: Final = f"{HERE}/secrets/a/{'0' * 32}"


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


class Twin:
    """Answers every request with the same bytes, as aiohttp's session would."""

    def __init__(self, raw: bytes, status: int) -> None:
        self.status, self._raw, self.headers = status, raw, {"Retry-After": raw[:12].decode("latin-1")}
        self.content = self

    def request(self, *_: object, **__: object) -> "Twin":
        return self

    get = request

    async def __aenter__(self) -> "Twin":
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._raw


def _secret(data: bytes) -> None:
    try:
        Answers(HERE).secret(data, "a")
        Answers(HERE).expect_id(data, "a")
    except ImplausibleAnswer as error:
        odd(data, error)


def _page(data: bytes) -> None:
    found = pages.page(data)
    course = Course("/secrets", "v.vault.azure.net")
    course.after(found)
    for entry in found.entries[:50]:
        try:
            Answers(HERE).listed(entry)
        except ImplausibleAnswer as error:
            shown = odd(entry, error).name
            if not shown.isprintable():
                raise AssertionError(shown) from error


def _token_failure(data: bytes) -> None:
    response = type("Response", (), {"status_code": 400, "headers": {}, "body": lambda _: data})()
    str(token_failures._of_answer(response, AzureSettings(), "Key Vault"))
    assert token_error(data).code == 0


def _pause(text: str) -> None:
    found = retry_after_s(text)
    assert found is None or found >= 0


def _date(text: str) -> None:
    found = inspection._parsed(text)
    assert found is None or found.tzinfo is not None


def _asked(data: bytes) -> None:
    if not data:
        return
    holdfast = asking.Holdfast("https://a")
    holdfast._session = cast("Any", Twin(data[1:], (200, 400, 401, 429, 500)[data[0] % 5]))
    credential = ClientSecret(client_id="a", secret="b")
    found = _loop().run_until_complete(holdfast.token(credential, "https://a", 0))
    assert found.token.isascii()


def _platform(data: bytes) -> None:
    platform._understood(200, data)


@cache
def _documents() -> list[type[Any]]:
    kinds, found = [Document], []
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        found.append(kind)
    return sorted((kind for kind in found if kind.__struct_fields__), key=lambda kind: kind.__name__)


def _own_server(data: bytes) -> None:
    if len(data) < 2:
        return
    client = connection.Connection("https://a", "token")
    client._session = cast("Any", Twin(data[2:], (200, 404, 500)[data[0] % 3]))
    kinds = _documents()
    try:
        _loop().run_until_complete(client.call("GET", "/", kinds[data[1] % len(kinds)]))
    except HoldfastError as error:
        str(error)


def _remote(data: bytes) -> None:
    """What the command line makes of texts in documents."""
    client = connection.Connection("https://a", "token")
    client._session = cast("Any", Twin(data, 200))
    with suppress(HoldfastError):
        _loop().run_until_complete(RemoteAudit(client).public_keys())
    _loop().run_until_complete(RemoteSecrets(client).backup_secret("a"))


class _EnoughError(Exception):
    """Nobody waits for a person here."""


def _by_code(data: bytes) -> None:
    if not data:
        return
    status = (200, 400, 500)[data[0] % 3]
    with suppress(HoldfastError):
        device.judge(status, data[1:], 1.0)
    login = device.DeviceLogin("https://a", "client", "openid")
    login._session = cast("Any", Twin(data[1:], status))

    async def sleep(_: float) -> None:
        raise _EnoughError

    with suppress(_EnoughError):
        _loop().run_until_complete(login.tokens(lambda _: None, sleep=sleep))


def _kv(data: bytes) -> None:
    if not data:
        return
    fields = Fields.JSON if data[0] % 2 else Fields.SPLIT
    source = KvSource(cast("Any", Twin(data[1:], 200)), "https://a", "secret", SystemClock(), fields=fields)
    _loop().run_until_complete(source._items_at("a"))


def _folders(data: bytes) -> None:
    source = KvSource(cast("Any", Twin(data, 200)), "https://a", "secret", SystemClock())

    async def some() -> None:
        found = 0
        async for _ in source._paths("", 0):
            found += 1
            if found > 100:
                return

    _loop().run_until_complete(some())


def _broker(data: bytes) -> None:
    api = rabbitmq._Api("https://u:p@a:15671", "admin", ["https://a:15671"])

    async def ask(*_: object, **__: object) -> Any:
        return type("Answer", (), {"status": 200, "body": data})()

    api.ask = ask  # type: ignore[method-assign]
    found = _loop().run_until_complete(api.user("a"))
    rabbitmq.is_of(found, "password")
    rabbitmq.hashed(found, "password")


def _syslog(data: bytes) -> None:
    syslog.message(data)


_SECRET: Final = (
    *("id", "value", "attributes", "enabled", "created", "updated", "nbf", "exp", "tags", "contentType", "kid"),
    *("managed", "recoveryLevel", "recoverableDays", "deletedDate", "scheduledPurgeDate", "nextLink"),
)
_TOKEN: Final = (
    *(
        "access_token",
        "expires_on",
        "expires_in",
        "not_before",
        "error",
        "error_description",
        "error_codes",
        "id_token",
    ),
    *("issuer", "token_endpoint", "device_authorization_endpoint", "device_code", "user_code", "verification_uri"),
    *("interval", "verification_uri_complete"),
)
_PROBLEM: Final = ("code", "detail", "field", "retryable", "status", "title", "type", "items", "next_cursor")
_KV: Final = ("data", "metadata", "custom_metadata", "keys", "a", "b/")

TARGETS: Final = (
    Target(
        "answers of Key Vault",
        one_of(as_json(_secret, *_SECRET), _page, as_latin(_pause), as_latin(_date)),
        (
            "stores.keyvault.inspection",
            "stores.keyvault.answers",
            "stores.keyvault.pages",
            "stores.keyvault.links",
            "stores.keyvault.errors",
        ),
        (ImplausibleAnswer, ListingEnds),
    ),
    Target(
        "answers of token endpoints",
        one_of(
            as_json(_token_failure, *_TOKEN), as_json(_asked, *_TOKEN), as_json(_platform, *_TOKEN), as_latin(claims_of)
        ),
        (
            "stores.keyvault.token_failures",
            "stores.keyvault.entra",
            "stores.keyvault.claims",
            "agent.asking",
            "agent.platform",
        ),
    ),
    Target("answers of issuers", as_json(_by_code, *_TOKEN), ("client.device",)),
    Target(
        "answers of a Holdfast",
        one_of(as_json(_own_server, *_PROBLEM), as_json(_remote, "items", "backup")),
        ("client.connection", "client.audit", "client.secrets"),
    ),
    Target("answers of a KV engine", one_of(as_json(_kv, *_KV), as_json(_folders, *_KV)), ("importing.kv",)),
    Target(
        "answers of a broker",
        one_of(as_json(_broker, "name", "password_hash", "hashing_algorithm", "tags"), as_text(user_url)),
        ("rotators.rabbitmq", "rotators.urls"),
    ),
    Target("lines for syslog", as_json(_syslog, "timestamp", "time"), ("outlets.syslog",), (ValueError,)),
)
