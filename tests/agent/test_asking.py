"""What the agent makes of answers of the address that it was given, whatever is there."""

import pytest
from aiohttp import web

from holdfast.agent.asking import Holdfast
from holdfast.agent.credentials import Assertion, ClientSecret, Credential
from holdfast.errors import BackendUnavailable
from tests.agent.test_platform import endpoint

RESOURCE = "https://vault.example"
DEEP = b'{"a":' + b"[" * 30_000
CREDENTIALS = (ClientSecret("app", "s3cret"), Assertion("app", "adfs", "a.s3cret.c"))


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize(
    "answer",
    [
        web.Response(body=b"<html>"),
        web.Response(body=b"{}"),
        web.Response(body=DEEP),
        web.Response(status=401, body=DEEP),
        web.Response(body=b'{"access_token":"","expires_in":60}'),
        web.Response(body=b'{"access_token":"t"}'),
        web.Response(body=b'{"access_token":"t","expires_in":-1}'),
        web.Response(body=b'{"access_token":"t","expires_on":"' + b"9" * 500 + b'"}'),
        web.Response(body=b'{"access_token":"t","not_before":"-' + b"9" * 500 + b'","expires_on":"1"}'),
        web.Response(body=b'{"access_token":"t","expires_in":60,"x":"' + b"x" * 100_000 + b'"}'),
    ],
)
async def test_what_is_no_answer_of_holdfasts_is_an_outage(answer: web.Response, credential: Credential) -> None:
    async with endpoint(answer) as (url, _), Holdfast(url) as server:
        with pytest.raises(BackendUnavailable) as refused:
            await server.token(credential, RESOURCE, 1)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("credential", CREDENTIALS)
async def test_a_credential_is_shown_at_the_given_address_alone(status: int, credential: Credential) -> None:
    async with endpoint(web.Response(body=b"{}")) as (elsewhere, stolen):
        moved = web.Response(status=status, headers={"Location": f"{elsewhere}/x"})
        async with endpoint(moved) as (url, asked), Holdfast(url) as server:
            with pytest.raises(BackendUnavailable):
                await server.token(credential, RESOURCE, 1)
    assert (len(asked), stolen) == (1, [])
