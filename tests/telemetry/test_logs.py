"""I13: logs say what happened and to what, under which id, and never a secret; nor does anybody forge a line."""

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.crypto.api_tokens import new_api_token
from holdfast.crypto.credentials import new_client_secret
from holdfast.domain.secret import SecretValue
from holdfast.errors import BackendUnavailable
from holdfast.resilience.correlation import correlated
from holdfast.telemetry.logs import JsonFormatter, Masked, SafeHandler, TextFormatter
from holdfast.telemetry.masking import masked_text
from tests.support.canaries import Sweep, canary
from tests.support.node import ALICE, opened, service_on
from tests.support.scripted_vault import ScriptedVault
from tests.support.serving import serving

FORMATTERS = (TextFormatter, JsonFormatter, lambda: logging.Formatter("%(levelname)s %(message)s"))


@dataclass
class Request:
    """As an application may have it: everything in it shows when it is printed."""

    url: str
    headers: dict[str, str]
    body: bytes


class Document(msgspec.Struct):
    name: str
    value: str


class Login(NamedTuple):
    user: str
    password: str


@contextmanager
def logger(formatter: Callable[[], logging.Formatter]) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream, log = io.StringIO(), logging.Logger("app", logging.DEBUG)  # noqa: LOG001 - known to nobody else
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Masked(formatter()))
    log.addHandler(handler)
    yield log, stream


def failed(value: str) -> BaseException:
    """An error whose text, cause and context quote a value, raised where a local variable holds it."""

    known: dict[str, str] = {}

    def lookup() -> object:
        return known[value]

    try:
        try:
            lookup()
        except KeyError as missing:
            raise ValueError(f"cannot use {value!r}") from missing
    except ValueError as error:
        return error
    raise AssertionError


def shown_by(value: str) -> list[Callable[[logging.Logger], object]]:
    """What applications do."""
    secret = SecretValue(value)
    request = Request(
        url=f"https://api.example/v1?access_token={value}&a=b",
        headers={"Authorization": f"Bearer {value}", "Cookie": f"a={value}; b={value}", "X-Api-Key": value},
        body=json.dumps({"value": value, "tags": {"a": "b"}}).encode(),
    )
    return [
        lambda log: log.info("%s", secret),
        lambda log: log.info("%r of %s", secret, [secret, {"it": secret}]),
        lambda log: log.info("got it", extra={"it": secret, "password": value, "request": request}),
        lambda log: log.info(request),
        lambda log: log.info("request %s", request),
        lambda log: log.info("request %r", vars(request)),
        lambda log: log.info("%(url)s %(headers)s", vars(request)),
        lambda log: log.info("headers %s", list(request.headers.items())),
        lambda log: log.info("headers %s", [(key.encode(), text.encode()) for key, text in request.headers.items()]),
        lambda log: log.info("body %r %s", request.body, request.body.decode()),
        lambda log: log.info("form %s", f"grant_type=x&client_secret={value}&password={value}"),
        lambda log: log.info("document %s", Document("name", value)),
        lambda log: log.info("%s", json.dumps({"nested": json.dumps({"password": value})})),
        lambda log: log.info("connect to postgresql://user:%s@host:5432/db and redis://:%s@host/0", value, value),
        lambda log: log.info(f"PUT /x HTTP/1.1\r\nAuthorization: Custom {value} {value}\r\nHost: x"),  # noqa: G004
        lambda log: log.info("failed: %s", failed(value)),
        lambda log: log.info("failed: %r", [failed(value)]),
        lambda log: log.error("failed", exc_info=failed(value)),
        lambda log: log.info("%d of %s", "too few arguments", extra={"token": value}),
        lambda log: log.info("-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----", value),
        lambda log: log.info("-----BEGIN PGP PRIVATE KEY BLOCK-----\n%s\n-----END", value),
        lambda log: log.info("%s or %s", Login("bob", value), [urlsplit(f"postgresql://u:{value}@host/db")]),
        lambda log: log.info("environment %s", environment(value)),
        lambda log: log.info("environment %s", " ".join(f"{name}={text}" for name, text in environment(value).items())),
        lambda log: log.info("form %s", f"grant_type=x&client_assertion={value}&new_value={value}&plaintext={value}"),
        lambda log: log.info("%s", {"new_value": value, "stored_value": value, "totp": value, "data_key": value}),
        lambda log: log.info("at https://store.example/a?sv=1&sig=%s", value),
        lambda log: log.info("cannot log in (password: %s), with password = %s", value, value),
        lambda log: log.info("sent X-Vault-Token: %s, and got:\n- password: %s", value, value),
        lambda log: log.info("ALTER USER a PASSWORD '%s'; alter user b identified by '%s'", value, value),
        lambda log: log.info(
            "connect to redis://u:a/%s@host/0 and amqps://u:a'%s@host and https://%s@host", *[value] * 3
        ),
        lambda log: log.info("told https://hooks.slack.com/services/T0/B0/%s and x#whsec_%s", value, value),
    ]


def environment(value: str) -> dict[str, str]:
    """Settings that hold something."""
    return {
        "HOLDFAST_DECRYPTION_KEYS": f"{value},{value}",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={value};IngestionEndpoint=https://x/",
        "HOLDFAST_METRICS_TOKEN": value,
        "HOLDFAST_SMTP_URL": f"smtps://ops:{value}@mail.example",
        "HOLDFAST_NOTICE_CHANNELS": f"chat=slack:https://hooks.slack.com/services/T0/B0/{value}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-team={value}",
    }


@pytest.mark.parametrize("formatter", FORMATTERS)
@pytest.mark.parametrize("number", range(len(shown_by(""))))
def test_i13_whatever_an_application_logs(formatter: Callable[[], logging.Formatter], number: int) -> None:
    sweep = Sweep()
    with logger(formatter) as (log, stream):
        for _ in range(2):
            shown_by(sweep.mark("value", canary()))[number](log)
    assert "*****" in stream.getvalue() or number in {2, 18}  # these show what is beside the message, or nothing
    sweep.saw("log", stream.getvalue().encode())
    assert "\n".join(map(str, sweep.hits())) == ""


def test_i13_credentials_are_known_by_their_shape() -> None:
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ.c2lnbmF0dXJl-_x"
    for token in (new_api_token(), new_client_secret(), jwt, f"Bearer {canary()}", f"bearer {canary()}"):
        said = masked_text(f"refused: {token}, twice '{token}'")
        assert token.split()[-1] not in said, said
        assert said.startswith("refused: "), said


def test_what_is_no_secret_stays() -> None:
    harmless = (
        "The mirror answers for Key Vault: The vault did not answer within 750 ms",
        "Intent parked: set of db-password: conflict: the name is taken",
        "Intent parked: set of db.password = 3",
        "secret_name=db-password token_id=7 request=eyes-only",
        "Permission denied: 'app-1' may not get 'db-password'. Ask for a grant of 'get' on it.",
        "{'secret_name': 'db-password', 'version': 3}",
        "postgresql://user@host:5432/db",
        "https://vault.example:8200/v1/secrets?mail=ops@example.com",
        "https://vault.example:443 refuses ops@example.com",
        "{'idempotency_key': 'abc', 'key_id': 'e0e50f8da3f2eb73', 'values': 3}",
        "The token of alice is revoked: she asked for it. password rotation = due",
    )
    assert [masked_text(text) for text in harmless] == list(harmless)


def test_errors_of_ours_and_of_the_system_keep_their_text() -> None:
    with logger(TextFormatter) as (log, stream):
        log.warning("waits: %s", BackendUnavailable("PostgreSQL is away"))
        log.warning("waits: %s", ConnectionRefusedError(111, "Connection refused"))
    assert "waits: PostgreSQL is away" in stream.getvalue()
    assert "waits: ConnectionRefusedError: Connection refused" in stream.getvalue()


def test_a_traceback_says_where_and_no_locals() -> None:
    with logger(JsonFormatter) as (log, stream):
        log.error("it failed", exc_info=failed(canary()))
    line = json.loads(stream.getvalue())
    assert "in failed" in line["error"]
    assert line["error"].index("KeyError: *****") < line["error"].index("ValueError: *****")


class Broken:
    """Nobody can show it."""

    def __str__(self) -> str:
        raise RuntimeError(self.value)

    __repr__ = __str__

    def __init__(self, value: str) -> None:
        self.value = value


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_i13_a_line_that_cannot_be_written_is_told_of_without_what_was_in_it(
    formatter: Callable[[], logging.Formatter], capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's own logging would show message and arguments as they are."""
    sweep, stream = Sweep(), io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    log = logging.Logger("app")  # noqa: LOG001 - known to nobody else
    log.addHandler(SafeHandler(Masked(formatter()), stream))
    value = sweep.mark("value", canary())
    for text in ("a\ud800b", "é"):
        log.warning("odd %s", text, extra={"token": value, "it": text})
    log.warning("broken %s", Broken(value), extra={"it": Broken(value)})
    log.warning(Broken(value), extra={"it": [Broken(value)]})
    log.warning("still there")
    stream.flush()
    said = stream.buffer.getvalue() + capsys.readouterr().err.encode()
    sweep.saw("log", said)
    assert "\n".join(map(str, sweep.hits())) == ""
    assert b"still there" in said
    assert said.count(b"\n") == 5, "no line is lost without a word"


@example(text="a\u2028b\u2029c\u202ed\u2066e\x9b1mf\x7fg\x85", about="")
@given(text=st.text(max_size=60), about=st.text(alphabet=st.characters(codec="ascii"), max_size=10))
def test_nobody_forges_a_line(text: str, about: str) -> None:
    """Line ends and control characters of whoever sent something do not begin a line, in either format."""
    with logger(TextFormatter) as (log, stream), correlated(about or None):
        log.info("%s", text)
        log.info("end", extra={"it": text})
    lines = re.split(r"\n(?!    )", stream.getvalue().rstrip("\n"))
    assert len(lines) == 2
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", stream.getvalue())
    assert stream.getvalue().splitlines() == stream.getvalue().rstrip("\n").split("\n")
    with logger(JsonFormatter) as (log, stream):
        log.info("%s", text, extra={"it": text})
    assert json.loads(stream.getvalue().removesuffix("\n"))["level"] == "info"
    assert stream.getvalue().count("\n") == 1
    assert not re.search(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]", stream.getvalue())


def test_the_masks_take_time_in_proportion() -> None:
    """I14: no text, however made up, keeps a node busy."""
    for text in (
        "secret" * 50_000,
        "a." * 100_000,
        "'value" * 50_000,
        'b"\\' * 50_000,
        "x://" * 50_000,
        "eyJ" * 80_000,
        "x://x:" * 40_000,
        "password " * 30_000,
        "password" + " " * 200_000,
        "PASSWORD '" * 30_000,
    ):
        assert len(masked_text(text)) < 200_000


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The log; what is said to a person beside it is no part of it."""
    return [json.loads(line) for line in file.read_text().splitlines() if line != "Holdfast has stopped."]


async def test_a_server_logs_json_and_a_request_keeps_its_id_everywhere(
    database_url: str, data_folder: Path, tmp_path: Path
) -> None:
    """One id, chosen by a client or by the server: in the answer, in the log and on record; workers and all."""
    sweep = Sweep()
    async with service_on(database_url, data_folder) as service:
        value = sweep.mark("value", canary())
        await service.set_secret("db-password", value)
        await service.grant_access("*", "app", ["get"])
        secret = sweep.mark("client secret", await service.add_client("app"))
    settings = {"HOLDFAST_LOG_FORMAT": "json", "HOLDFAST_LOG_LEVEL": "info", "HOLDFAST_ACCESS_LOG": "true"}
    async with serving(database_url, data_folder, "--workers", "2", logs=tmp_path / "log", **settings) as server:
        client = await server.client("app", secret)
        sweep.mark("token", client.token or "")
        path = "/secrets/db-password?api-version=7.4"
        given = {
            "proxy-1": {"X-Request-Id": "proxy-1", "x-ms-client-request-id": "sdk-1"},
            "sdk-2": {"x-ms-client-request-id": "sdk-2"},
        }
        made = [await client.request("GET", path, headers=headers) for headers in (*given.values(), {})]
        made.append(await client.request("GET", f"{path}&token={value}", headers={"X-Request-Id": "forged id"}))
        ids = [str(answer.header("x-ms-request-id")) for answer in made]
        assert await server.stop() == 0
        lines = lines_of(tmp_path / "log")
    sweep.saw("log", *(json.dumps(line).encode() for line in lines))
    assert ids[:2] == list(given)
    assert len(set(ids)) == 4
    assert "forged id" not in ids
    requests = [line for line in lines if line["logger"] == "holdfast.access"]
    assert {line["request_id"] for line in requests} >= set(ids)
    assert {line["message"] for line in requests} >= {"GET /secrets/db-password 200"}
    assert {line["identity"] for line in requests if line["request_id"] in ids} == {"app"}
    assert all(line["duration_ms"] >= 0 for line in requests)
    async with service_on(database_url, data_folder) as service:
        recorded = {record.request_id for record in await service.get_access_history("db-password")}
    assert recorded >= set(ids)
    assert "\n".join(map(str, sweep.hits())) == ""


async def test_what_an_application_asks_for_is_logged_and_recorded_under_its_id(
    database_url: str, data_folder: Path
) -> None:
    async with ScriptedVault() as vault, opened(database_url, data_folder, vault) as node:
        await node.service.set_secret("a", "x")
        await node.service.grant_access("*", "alice", ["get"])
        await node.service.invalidate_cache("a")
        with heard() as stream, correlated("task:1"):
            async with vault.refusing():
                await node.service.get_secret("a", context=ALICE)
            logging.getLogger("holdfast").debug("afterwards")
            await node.service.get_secret("a")
        records = await node.service.get_access_history("a")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    ids = {line["message"].partition(":")[0]: line["request_id"] for line in lines}
    assert ids["The mirror answers for Key Vault"] == ALICE.request_id
    assert ids["afterwards"] == "task:1"
    asked = {record.user_id: record.request_id for record in records if record.operation == "get"}
    assert asked == {"alice": ALICE.request_id, "system": "task:1"}


@contextmanager
def heard() -> Iterator[io.StringIO]:
    """What the service itself logs, as JSON."""
    stream, ours = io.StringIO(), logging.getLogger("holdfast")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Masked(JsonFormatter()))
    before = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        ours.removeHandler(handler)
        ours.setLevel(before)


@pytest.mark.parametrize(
    ("level", "heard_of"),
    [
        (
            "debug",
            ["ours d", "ours i", "ours w", "theirs d", "theirs i", "theirs w", "pool w", "id w", "http w", "http e"],
        ),
        ("info", ["ours i", "ours w", "theirs w", "http e"]),
        ("warning", ["ours w", "theirs w", "http e"]),
        ("error", ["http e"]),
    ],
)
def test_libraries_log_warnings_at_most_unless_everything_is_asked_for(level: str, heard_of: list[str]) -> None:
    program = (
        "import logging, sys; from holdfast.telemetry.logs import install_logs; install_logs(sys.argv[1])\n"
        "for name, who in {'holdfast.a': 'ours', 'azure.core.b': 'theirs'}.items():\n"
        "    for word in ('debug', 'info', 'warning'):\n"
        "        getattr(logging.getLogger(name), word)('%s %s', who, word[0])\n"
        "logging.getLogger('asyncpg.pool').warning('pool w')\n"
        "logging.getLogger('azure.identity.aio._internal').warning('id w')\n"
        "logging.getLogger('uvicorn.error').warning('http w')\n"
        "logging.getLogger('uvicorn.error').error('http e')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, level], capture_output=True, text=True, check=True)
    assert [line.partition(": ")[2] for line in done.stderr.splitlines()] == heard_of
