"""Logging in by a code (RFC 8628), at a real issuer over TLS, whatever it answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.client.device import MAX_INTERVAL_S, DeviceLogin, Invitation, judge
from holdfast.config import Settings
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.crypto.keyring import generate_key
from holdfast.errors import BackendUnavailable, InvalidInput, Unauthenticated
from tests.cli.runner import holdfast
from tests.support.folders import short_folder
from tests.support.installation import installed
from tests.support.issuer import LocalIssuer, local_issuer

PENDING = (400, {"error": "authorization_pending"})
SLOW_DOWN = (400, {"error": "slow_down"})
TOKENS = (200, {"access_token": "a.b.c", "id_token": "d.e.f", "token_type": "Bearer"})


@pytest.fixture
async def issuer() -> AsyncIterator[LocalIssuer]:
    with short_folder() as folder:
        async with local_issuer(folder) as issuer:
            yield issuer


class Waiting:
    """Time that passes when somebody sleeps. ``pauses``: how long each time."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


async def logged_in(issuer: LocalIssuer, waiting: Waiting, client_id: str = "holdfast-cli") -> list[str]:
    invitations: list[Invitation] = []
    async with DeviceLogin(issuer.url, client_id, "openid", ca_file=issuer.ca_file) as login:
        found = await login.tokens(invitations.append, monotonic=waiting.monotonic, sleep=waiting.sleep)
    assert [(each.address, each.code) for each in invitations] == [(f"{issuer.url}/device", "WDJB-MJHT")]
    return found


async def test_it_asks_until_the_person_has_decided_and_slower_when_told_to(issuer: LocalIssuer) -> None:
    issuer.offer_codes(PENDING, SLOW_DOWN, PENDING, TOKENS, interval=2)
    waiting = Waiting()
    assert await logged_in(issuer, waiting) == ["a.b.c", "d.e.f"]
    assert waiting.pauses == [2, 2, 7, 7]
    assert [form.get("device_code") for form in issuer.forms] == [None, *["d-c4n4ry"] * 4]
    assert issuer.forms[1]["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"


async def test_it_backs_off_while_the_issuer_is_away_and_goes_on(issuer: LocalIssuer) -> None:
    issuer.offer_codes((503, {}), (502, "not an object"), TOKENS, interval=1)
    waiting = Waiting()
    assert await logged_in(issuer, waiting) == ["a.b.c", "d.e.f"]
    assert waiting.pauses == [1, 2, 4]


async def test_it_gives_up_when_the_code_runs_out(issuer: LocalIssuer) -> None:
    issuer.offer_codes(PENDING, interval=5, expires_in=60)
    waiting = Waiting()
    with pytest.raises(Unauthenticated, match="run out"):
        await logged_in(issuer, waiting)
    assert waiting.now < 60


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((400, {"error": "access_denied"}), "refused in the browser"),
        ((400, {"error": "expired_token"}), "run out"),
        ((400, {"error": "something_new"}), "administrator"),
        ((200, {"access_token": "opaque"}), "openid"),
        ((200, {}), "openid"),
    ],
)
async def test_what_the_issuer_refuses_is_told(issuer: LocalIssuer, answer: tuple[int, Any], told: str) -> None:
    issuer.offer_codes(answer)
    with pytest.raises(Unauthenticated, match=told):
        await logged_in(issuer, Waiting())


async def test_an_opaque_access_token_is_left_aside_for_the_id_token(issuer: LocalIssuer) -> None:
    issuer.offer_codes((200, {"access_token": "opaque", "id_token": "d.e.f"}))
    assert await logged_in(issuer, Waiting()) == ["d.e.f"]


async def test_an_unknown_client_is_told_so(issuer: LocalIssuer) -> None:
    issuer.offer_codes(TOKENS)
    with pytest.raises(Unauthenticated, match="--client-id"):
        await logged_in(issuer, Waiting(), client_id="stranger")


async def test_an_issuer_without_codes_or_of_another_name_is_refused(issuer: LocalIssuer) -> None:
    with pytest.raises(BackendUnavailable, match="no login by code"):
        await logged_in(issuer, Waiting())
    issuer.offer_codes(TOKENS)
    path = "/.well-known/openid-configuration"
    good = issuer.document(path)
    issuer.documents[path] = {**good, "issuer": "https://other.example"}
    with pytest.raises(BackendUnavailable, match="another issuer"):
        await logged_in(issuer, Waiting())
    issuer.documents[path] = {**good, "token_endpoint": "http://127.0.0.1/token"}
    with pytest.raises(InvalidInput, match="https"):
        await logged_in(issuer, Waiting())
    assert issuer.forms == []


@pytest.mark.parametrize("address", ["http://issuer.example", "issuer.example", "https://", "https://[", "file:///etc"])
def test_only_https_is_asked(address: str) -> None:
    with pytest.raises(InvalidInput):
        DeviceLogin(address, "holdfast-cli", "openid")


@given(st.integers(100, 599), st.binary(max_size=200), st.floats(1, 60))
def test_i14_whatever_an_issuer_answers_is_a_token_a_pause_or_a_typed_error(
    status: int, raw: bytes, pause_s: float
) -> None:
    try:
        tokens, next_s = judge(status, raw, pause_s)
    except (Unauthenticated, BackendUnavailable):
        return
    assert pause_s <= next_s <= MAX_INTERVAL_S
    assert not tokens or status == 200


async def test_the_command_line_logs_in_and_is_whom_the_issuer_says(
    database_url: str, tmp_path: Path, issuer: LocalIssuer
) -> None:
    file = tmp_path / "issuers.toml"
    ours = {"name": "work", "issuer": issuer.url, "ca_file": str(issuer.ca_file)}
    file.write_text("[[issuer]]\n" + "".join(f'{key} = "{value}"\n' for key, value in ours.items()))
    with file.open("a") as more:
        more.write('audiences = ["holdfast"]\n')
    foreign, good = (issuer.token({"aud": audience, "sub": "ann"}) for audience in ("somebody-else", "holdfast"))
    issuer.offer_codes(PENDING, (200, {"access_token": foreign, "id_token": good}))
    settings = Settings(database_url=database_url, encryption_key=generate_key(), data_dir=tmp_path, oidc_issuers=file)
    certificate = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC))
    async with installed(settings, certificate) as installation:
        await installation.service.set_secret("db", "v")
        await installation.service.grant_access("db", "work:ann", ["get"])
        environ = {"HOME": str(tmp_path), "HOLDFAST_ADDR": installation.url}
        options = ("--cacert", str(installation.ca_file), "--issuer-ca", str(issuer.ca_file))
        told = await asyncio.to_thread(
            holdfast, "login", "--oidc", issuer.url, "--client-id", "holdfast-cli", *options, environ=environ
        )
        assert told.code == 0, told
        assert f"Open {issuer.url}/device and enter the code WDJB-MJHT within 10 minutes." in told.stderr
        assert "d-c4n4ry" not in told.stderr + told.stdout
        read = await asyncio.to_thread(holdfast, "get", "db", environ=environ)
        assert (read.code, read.stdout) == (0, "v")
        history = await installation.service.get_access_history("db", 5)
        assert "work:ann" in {each.user_id for each in history}


def test_an_issuer_and_a_client_belong_together(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "HOLDFAST_ADDR": "https://127.0.0.1:1"}
    alone = holdfast("login", "--oidc", "https://issuer.example", environ=environ)
    assert (alone.code, "belong together" in alone.stderr) == (2, True)
