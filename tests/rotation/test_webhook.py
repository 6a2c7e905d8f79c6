"""The webhook handler, against a real receiver; and what it never calls."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from holdfast.domain.rotation import Phase
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import InvalidInput, RotationFailed
from tests.support.node import opened

KEY = b"k" * 32
KEY_TEXT = "whsec_" + base64.b64encode(KEY).decode()


class Receiver:
    """Checks signatures by itself, and keeps a set of credentials. ``answer`` is given instead of 204 once."""

    def __init__(self) -> None:
        self.accepted, self.seen = {"first"}, list[tuple[str, str]]()
        self.answer: web.Response | None = None

    async def __aenter__(self) -> "Receiver":
        app = web.Application()
        app.router.add_post("/rotate", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        body, head = await request.read(), request.headers
        signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        if not hmac.compare_digest(head["webhook-signature"], expected):
            return web.Response(status=401)
        message = json.loads(body)
        self.seen.append((message["type"], head["webhook-id"]))
        if self.answer is not None:
            answer, self.answer = self.answer, None
            return answer
        credential = message["data"]["credential"]
        match message["type"]:
            case "rotation.apply":
                self.accepted.add(credential)
            case "rotation.retire":
                self.accepted.discard(credential)
            case "rotation.test" if credential not in self.accepted:
                return web.Response(status=422)
        return web.Response(status=204)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


async def test_a_receiver_takes_every_step(database_url: str, data_folder: Path, receiver: Receiver) -> None:
    async with opened(database_url, data_folder, webhook_targets=(receiver.origin,)) as inside:
        service = inside.service
        await service.set_secret("hook-key", KEY_TEXT)
        options = {"url": f"{receiver.origin}/rotate", "signing_secret": "hook-key"}
        await service.set_secret("k", "first", rotation_policy=RotationPolicy(handler="webhook", options=options))
        receiver.answer = web.Response(status=307, headers={"location": f"{receiver.origin}/elsewhere"})
        with pytest.raises(RotationFailed, match="answered 307"):
            await service.rotate_secret("k")
        assert (await service.rotations.resume("k")).phase is Phase.CURRENT
        assert receiver.accepted == {"first", (await service.get_secret("k")).value}
        await service.rotations.retire("k")
        assert receiver.accepted == {(await service.get_secret("k")).value}
    applied = {message for kind, message in receiver.seen if kind == "rotation.apply"}
    assert len(applied) == 1
    assert len({message for _, message in receiver.seen}) == len(receiver.seen) - 1


async def test_no_receiver_is_called_that_is_not_allowed_by_name(
    database_url: str, data_folder: Path, receiver: Receiver
) -> None:
    async with opened(database_url, data_folder) as inside:
        await inside.service.set_secret("hook-key", KEY_TEXT)
        options = {"url": f"{receiver.origin}/rotate", "signing_secret": "hook-key"}
        policy = RotationPolicy(handler="webhook", options=options)
        await inside.service.set_secret("k", "first", rotation_policy=policy)
        with pytest.raises(InvalidInput, match="HOLDFAST_WEBHOOK_TARGETS"):
            await inside.service.rotate_secret("k")
        for url in ("https://localhost/rotate", "https://hooks.example/rotate"):
            policy = RotationPolicy(handler="webhook", options={**options, "url": url})
            await inside.service.set_secret("k", "first", rotation_policy=policy)
            with pytest.raises(InvalidInput, match=r"no origin that is allowed.*HOLDFAST_WEBHOOK_TARGETS"):
                await inside.service.rotate_secret("k")
    assert receiver.seen == []


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_c2hvcnQ=", "c2hvcnQ=", "whsec_!!!"])
async def test_a_key_that_is_none_is_named_and_not_shown(database_url: str, data_folder: Path, key: str) -> None:
    async with opened(database_url, data_folder, webhook_targets=("https://hooks.example",)) as inside:
        await inside.service.set_secret("hook-key", key)
        options = {"url": "https://hooks.example/", "signing_secret": "hook-key"}
        await inside.service.set_secret(
            "k", "first", rotation_policy=RotationPolicy(handler="webhook", options=options)
        )
        with pytest.raises(InvalidInput, match="'signing_secret' names must be whsec_") as refused:
            await inside.service.rotate_secret("k")
        assert len(key) < 10 or key not in str(refused.value)
