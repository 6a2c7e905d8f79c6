"""What is handed on to the platform's own endpoint."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from holdfast import identity_wire as wire
from holdfast.agent.platform import IMDS, IMDS_PATH, Platform
from holdfast.errors import BackendUnavailable

STORAGE = "https://storage.azure.com/"


@asynccontextmanager
async def endpoint(answer: web.Response) -> AsyncIterator[tuple[str, list[web.BaseRequest]]]:
    asked: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return answer

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


TOKEN = b'{"access_token":"t","expires_on":"1","resource":"r","token_type":"Bearer"}'


@pytest.mark.parametrize(
    ("names", "version", "header", "identity"),
    [
        (("IDENTITY_ENDPOINT", "IDENTITY_HEADER"), "2019-08-01", "X-IDENTITY-HEADER", "client_id"),
        (("MSI_ENDPOINT", "MSI_SECRET"), "2017-09-01", "secret", "clientid"),
    ],
)
async def test_app_service_is_asked_as_it_wants_to_be(
    names: tuple[str, str], version: str, header: str, identity: str
) -> None:
    async with endpoint(web.Response(body=TOKEN)) as (url, asked):
        platform = Platform.of({names[0]: f"{url}/x", names[1]: "platforms-secret"})
        answer = await platform.ask(wire.Question(wire.PRESENT, STORAGE, ("client_id", "other")))
    assert (answer.status, answer.body) == (200, TOKEN)
    (request,) = asked
    assert dict(request.query) == {"api-version": version, "resource": STORAGE, identity: "other"}
    assert (request.path, request.headers[header]) == ("/x", "platforms-secret")
    assert "platforms-secret" not in repr(platform)


async def test_a_vm_is_asked_at_its_metadata_service() -> None:
    assert Platform.of({}).url == IMDS + IMDS_PATH
    assert Platform.of({"IDENTITY_ENDPOINT": "http://x", "MSI_SECRET": "y"}).url == IMDS + IMDS_PATH
    async with endpoint(web.Response(body=TOKEN)) as (url, asked):
        platform = Platform.of({"AZURE_POD_IDENTITY_AUTHORITY_HOST": url})
        await platform.ask(wire.Question(wire.FORMER, STORAGE, ("resource_id", "/subscriptions/x")))
    (request,) = asked
    assert (request.path, request.headers["Metadata"]) == (IMDS_PATH, "true")
    assert dict(request.query) == {"api-version": "2018-02-01", "resource": STORAGE, "msi_res_id": "/subscriptions/x"}


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (400, b'{"error":"invalid_resource","error_description":"no"}', "no"),
        (429, b'{"statusCode":429,"message":"later"}', "later"),
        (500, b"{}", "refused"),
    ],
)
async def test_a_refusal_is_told_in_the_words_of_app_service(status: int, body: bytes, shown: str) -> None:
    async with endpoint(web.Response(status=status, body=body)) as (url, _):
        answer = await Platform.of({"AZURE_POD_IDENTITY_AUTHORITY_HOST": url}).ask(wire.Question(wire.PRESENT, STORAGE))
    assert answer.status == status
    assert f'"message":"{shown}"'.encode() in answer.body
    assert f'"statusCode":{status}'.encode() in answer.body


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(body=b"<html>"),
        web.Response(body=b"[]"),
        web.Response(body=b'{"a":' + b"[" * 30_000),
        web.Response(body=b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
        web.Response(body=b'{"a":"' + b"x" * 100_000 + b'"}'),
        web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
)
async def test_what_is_no_answer_is_none(answer: web.Response) -> None:
    async with endpoint(answer) as (url, _):
        platform = Platform.of({"AZURE_POD_IDENTITY_AUTHORITY_HOST": url})
        with pytest.raises(BackendUnavailable):
            await platform.ask(wire.Question(wire.PRESENT, STORAGE))


async def test_no_one_there_is_an_outage() -> None:
    platform = Platform.of({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"})
    with pytest.raises(BackendUnavailable, match="platform"):
        await platform.ask(wire.Question(wire.PRESENT, STORAGE))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_the_platforms_secret_is_shown_to_the_platform_alone(status: int) -> None:
    async with endpoint(web.Response(body=TOKEN)) as (elsewhere, stolen):
        moved = web.Response(status=status, body=TOKEN, headers={"Location": f"{elsewhere}/x"})
        async with endpoint(moved) as (url, asked):
            platform = Platform.of({"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": "platforms-secret"})
            answer = await platform.ask(wire.Question(wire.PRESENT, STORAGE))
    assert (answer.status, len(asked), stolen) == (502, 1, [])
