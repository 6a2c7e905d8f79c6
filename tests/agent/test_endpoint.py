"""Which requests the endpoint on loopback answers."""

import json
from typing import Any, cast

import pytest

from holdfast import identity_wire as wire
from holdfast.agent.answers import Answer, Request
from holdfast.agent.credentials import ClientSecret, Credential
from holdfast.agent.endpoint import FORWARDED, IdentityEndpoint, Terms
from holdfast.errors import BackendUnavailable, HoldfastError, InvalidInput, Throttled, Unauthenticated

SECRET = "right"
RESOURCE = "https://vault.example.com"
TARGET = f"/msi/token?api-version=2019-08-01&resource={RESOURCE}"
ADDRESS = "https://my.vault.example.com"


class Given:
    """Gives the same token for everything, or fails."""

    error: HoldfastError | None = None

    def __init__(self) -> None:
        self.asked: list[str] = []

    def credential(self) -> Credential:
        return ClientSecret("app", "s3cret")

    async def get(self, resource: str) -> wire.Grant:
        self.asked.append(resource)
        if self.error is not None:
            raise self.error
        return wire.Grant("t0ken", resource, "app", 100, 3700)


class Elsewhere:
    """The platform."""

    def __init__(self) -> None:
        self.asked: list[wire.Question] = []

    async def ask(self, question: wire.Question) -> Answer:
        self.asked.append(question)
        return Answer(200, b"{}")


@pytest.fixture
def tokens() -> Given:
    return Given()


@pytest.fixture
def endpoint(tokens: Given) -> IdentityEndpoint:
    return IdentityEndpoint(Terms(port=8300, secret=SECRET, address=ADDRESS, aliases=("user-assigned",)), tokens)


def request(target: str = TARGET, *, method: str = "GET", drop: str = "", **more: str) -> Request:
    headers = {"host": "127.0.0.1:8300", "x-identity-header": SECRET}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    return Request(method, target, tuple((name, value) for name, value in headers.items() if name != drop))


def said(answer: Answer) -> Any:
    document = json.loads(answer.body)
    if answer.status != 200:
        assert document["statusCode"] == answer.status
        assert document["message"] == document["error_description"]
        assert document["error"]
        assert document["correlationId"]
    return document


@pytest.mark.parametrize("version", [wire.PRESENT, wire.FORMER])
@pytest.mark.parametrize("header", wire.SECRET_HEADERS)
@pytest.mark.parametrize("host", ["127.0.0.1:8300", "localhost:8300", "LOCALHOST:8300"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_whoever_has_the_secret_gets_a_token(
    endpoint: IdentityEndpoint, version: str, header: str, host: str, slash: str
) -> None:
    target = f"/msi/token{slash}?api-version={version}&resource={RESOURCE}"
    headers = {"drop": "x-identity-header"} if header == "secret" else {}
    answer = await endpoint.answer(request(target, **{header: SECRET, "host": host}, **headers))
    assert answer.status == 200
    assert said(answer) == {
        "access_token": "t0ken",
        "client_id": "app",
        "expires_on": "3700",
        "not_before": "100",
        "resource": RESOURCE,
        "token_type": "Bearer",
    }


@pytest.mark.parametrize("shown", ["", "wrong", SECRET + "x", SECRET.upper(), " " + SECRET, "\udcff", "app:s3cret"])
async def test_a_wrong_secret_gets_nothing(endpoint: IdentityEndpoint, tokens: Given, shown: str) -> None:
    answer = await endpoint.answer(request(x_identity_header=shown))
    assert (answer.status, said(answer)["error"]) == (401, "unauthorized_client")
    assert tokens.asked == []


async def test_no_secret_and_two_of_them_get_nothing(endpoint: IdentityEndpoint, tokens: Given) -> None:
    assert (await endpoint.answer(request(drop="x-identity-header"))).status == 401
    assert (await endpoint.answer(request(secret=SECRET))).status == 401
    twice = Request("GET", TARGET, (*request().headers, ("x-identity-header", SECRET)))
    assert (await endpoint.answer(twice)).status == 401
    assert tokens.asked == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:80", "localhost", "[::1]:8300", "127.0.0.2:8300", "0.0.0.0:8300", "2130706433:8300"),
        *("evil.example:8300", "127.0.0.1:8300.evil.example", "localhost.:8300", "169.254.169.254", "", "a b"),
    ],
)
async def test_another_host_is_refused_with_the_right_secret_too(
    endpoint: IdentityEndpoint, tokens: Given, host: str
) -> None:
    """A name that was made to lead here (DNS rebinding), and a request that somebody else had a program make."""
    answer = await endpoint.answer(request(host=host))
    assert (answer.status, said(answer)["error"]) == (400, "bad_request")
    assert tokens.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost"])
async def test_the_port_that_http_has_by_itself_is_left_out_by_clients(tokens: Given, host: str) -> None:
    endpoint = IdentityEndpoint(Terms(port=80, secret=SECRET, address=ADDRESS), tokens)
    assert (await endpoint.answer(request(host=host))).status == 200
    assert (await endpoint.answer(request(host=f"{host}.evil.example"))).status == 400


async def test_no_host_and_two_of_them_are_refused(endpoint: IdentityEndpoint) -> None:
    assert (await endpoint.answer(request(drop="host"))).status == 400
    assert (
        await endpoint.answer(Request("GET", TARGET, (*request().headers, ("host", "localhost:8300"))))
    ).status == 400


@pytest.mark.parametrize("name", sorted(FORWARDED))
async def test_what_came_by_way_of_others_is_refused(endpoint: IdentityEndpoint, tokens: Given, name: str) -> None:
    answer = await endpoint.answer(Request("GET", TARGET, (*request().headers, (name, "127.0.0.1"))))
    assert (answer.status, said(answer)["error"]) == (400, "bad_request")
    assert tokens.asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get"])
async def test_nothing_but_get_is_taken(endpoint: IdentityEndpoint, method: str) -> None:
    answer = await endpoint.answer(request(method=method))
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("header", [("content-length", "1"), ("transfer-encoding", "chunked"), ("content-length", "x")])
async def test_bodies_are_refused(endpoint: IdentityEndpoint, header: tuple[str, str]) -> None:
    assert (await endpoint.answer(Request("GET", TARGET, (*request().headers, header)))).status == 400
    assert (await endpoint.answer(request(content_length="0"))).status == 200


@pytest.mark.parametrize("target", ["/", "/msi", "/MSI/token", "/msi/token/x", "http://127.0.0.1:8300/msi/token", "*"])
async def test_there_is_nothing_else(endpoint: IdentityEndpoint, target: str) -> None:
    answer = await endpoint.answer(request(f"{target}?{TARGET.partition('?')[2]}"))
    assert (answer.status, said(answer)["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    "query",
    [
        *("", f"resource={RESOURCE}", "api-version=2019-08-01", f"api-version=1&resource={RESOURCE}"),
        *(f"api-version=2019-08-01&resource={RESOURCE}&resource={RESOURCE}", "api-version=2019-08-01&resource=%ff"),
        f"api-version=2019-08-01&resource={RESOURCE}&client_id=app&mi_res_id=/x",
        "\udcff",
    ],
)
async def test_what_is_no_question_is_refused(endpoint: IdentityEndpoint, tokens: Given, query: str) -> None:
    answer = await endpoint.answer(request(f"/msi/token?{query}"))
    assert (answer.status, said(answer)["error"]) == (400, "invalid_request")
    assert tokens.asked == []


async def test_whoever_wants_another_identity_is_not_given_this_one(endpoint: IdentityEndpoint, tokens: Given) -> None:
    for named in ("client_id=app", "clientid=app", "client_id=user-assigned", "object_id=user-assigned"):
        assert (await endpoint.answer(request(f"{TARGET}&{named}"))).status == 200
    for named in ("client_id=other", "object_id=app", "mi_res_id=/subscriptions/x"):
        answer = await endpoint.answer(request(f"{TARGET}&{named}"))
        assert (answer.status, said(answer)["message"]) == (400, wire.NO_SUCH_IDENTITY)
    assert len(tokens.asked) == 4


OURS = ["https://my.vault.example.com", "https://vault.example.com", "https://VAULT.example.com", "https://example.com"]
FOREIGN = [
    *("https://vault.azure.net", "https://storage.azure.com/", "https://com", "https://other.vault.example.com", "x"),
    *(
        "https://ault.example.com",
        "http://vault.example.com",
        "https://vault.example.com/",
        "https://vault.example.com:1",
    ),
    *("https://evil@vault.example.com", "https://evil.example#.vault.example.com", "https://", "https://."),
    *("https://[vault.example.com", "https://[vault].example.com", "https://vault.example%E2%84%80.com"),
]


@pytest.mark.parametrize("resource", OURS)
async def test_resources_are_holdfasts_at_its_address_and_above_it(endpoint: IdentityEndpoint, resource: str) -> None:
    assert (await endpoint.answer(request(TARGET.replace(RESOURCE, resource)))).status == 200


@pytest.mark.parametrize("resource", FOREIGN)
async def test_other_resources_are_refused_in_words_that_say_so(
    endpoint: IdentityEndpoint, tokens: Given, resource: str
) -> None:
    answer = await endpoint.answer(request(TARGET.replace(RESOURCE, resource.replace("#", "%23"))))
    assert (answer.status, said(answer)["error"]) == (400, "invalid_resource")
    assert ADDRESS in said(answer)["message"]
    assert "--pass-on" in said(answer)["message"]
    assert tokens.asked == []


async def test_named_resources_are_the_only_ones() -> None:
    terms = Terms(port=8300, secret=SECRET, address=ADDRESS, resources=("https://vault.azure.net",))
    endpoint = IdentityEndpoint(terms, Given())
    assert (await endpoint.answer(request())).status == 400
    assert (await endpoint.answer(request(TARGET.replace(RESOURCE, "https://vault.azure.net")))).status == 200


async def test_passed_on_is_what_is_not_holdfasts_and_nothing_else(tokens: Given) -> None:
    platform = Elsewhere()
    endpoint = IdentityEndpoint(Terms(port=8300, secret=SECRET, address=ADDRESS), tokens, platform)
    storage = "https://storage.azure.com/"
    assert (await endpoint.answer(request(TARGET.replace(RESOURCE, storage) + "&client_id=other"))).status == 200
    assert (await endpoint.answer(request())).status == 200
    assert platform.asked == [wire.Question(wire.PRESENT, storage, ("client_id", "other"))]
    assert tokens.asked == [RESOURCE]
    assert (await endpoint.answer(request(TARGET.replace(RESOURCE, storage), x_identity_header="wrong"))).status == 401
    assert len(platform.asked) == 1


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (Unauthenticated("no"), 401, "unauthorized_client"),
        (InvalidInput("no"), 400, "invalid_request"),
        (Throttled("no", retry_after_s=7), 429, "temporarily_unavailable"),
        (BackendUnavailable("no"), 503, "temporarily_unavailable"),
    ],
)
async def test_what_holdfast_says_is_told(
    endpoint: IdentityEndpoint, tokens: Given, error: HoldfastError, status: int, word: str
) -> None:
    tokens.error = error
    answer = await endpoint.answer(request())
    assert (answer.status, said(answer)["error"], said(answer)["message"]) == (status, word, "no")
    assert answer.headers.get("Retry-After") == {429: "7", 503: "2"}.get(status)


async def test_what_no_one_foresaw_is_an_answer_and_a_line_of_the_log(
    endpoint: IdentityEndpoint, tokens: Given, caplog: pytest.LogCaptureFixture
) -> None:
    tokens.error = cast("HoldfastError", ZeroDivisionError("marked"))
    answer = await endpoint.answer(request())
    assert (answer.status, said(answer)["error"]) == (500, "server_error")
    assert b"marked" not in answer.body
    assert "ZeroDivisionError" in caplog.text


async def test_a_flood_of_refusals_is_a_line_a_second(
    endpoint: IdentityEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(200):
        await endpoint.answer(request(host="evil.example"))
    assert len(caplog.records) <= 2


def test_neither_secret_is_shown_by_what_holds_it() -> None:
    assert SECRET not in repr(Terms(port=1, secret=SECRET, address=ADDRESS)) + repr(request())
    assert "s3cret" not in repr(ClientSecret("app", "s3cret"))
    assert "t0ken" not in repr(wire.Grant("t0ken", "r", "app", 1, 2)) + repr(Answer(200, b"t0ken"))
