"""Token buckets against the plainest model of one, and on both surfaces."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import SecretNotFound
from holdfast.web import rates as module
from holdfast.web.app import create_app
from holdfast.web.limits import RateLimited
from holdfast.web.rates import Rates
from tests.support.asgi import ask
from tests.support.clock import VirtualClock
from tests.web.conftest import Stubbed


class Bucket:
    """Tokens that drip in and are taken out."""

    def __init__(self, per_second: int, burst: int) -> None:
        self.per_second, self.burst, self.tokens, self.at = per_second, burst, float(burst), 0.0

    def take(self, now: float, count: int) -> float:
        """0 when the tokens were there; otherwise the seconds until they are."""
        count = min(count, self.burst)
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.per_second)
        self.at = now
        if self.tokens >= count - 1e-9:
            self.tokens -= count
            return 0.0
        return (count - self.tokens) / self.per_second


@given(
    per_second=st.integers(1, 50),
    burst=st.integers(1, 20),
    steps=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 64), st.integers(1, 30)), max_size=80),
)
def test_a_rate_is_a_token_bucket_for_each_identity(
    per_second: int, burst: int, steps: list[tuple[str, int, int]]
) -> None:
    now = 0.0
    rates = Rates(per_second, burst, lambda: now)
    buckets = {name: Bucket(per_second, burst) for name in "ab"}
    for name, sixtyfourths, count in steps:
        now += sixtyfourths / 64
        wait = buckets[name].take(now, count)
        try:
            rates.take(name, count)
            taken = 0.0
        except RateLimited as error:
            taken = error.retry_after_s
        assert taken == pytest.approx(wait, abs=1e-6)


def test_i14_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_IDENTITIES", 3)
    rates = Rates(1, 1, lambda: 0.0)
    for name in "abcd":
        rates.take(name)
    rates.take("a")  # was forgotten
    with pytest.raises(RateLimited):
        rates.take("d")


@pytest.mark.parametrize("path", ["/v1/secrets/a", "/secrets/a?api-version=7.4", "/secrets/a/?api-version=7.4"])
async def test_i14_one_identity_may_ask_only_so_often_on_either_surface(stubbed: Stubbed, path: str) -> None:
    stubbed.service.error = SecretNotFound("x")
    clock = VirtualClock()
    app = create_app(replace(stubbed.parts, rates=Rates(1, 2, clock.monotonic)))
    statuses = [(await ask(app, stubbed.client, path, {}))[0] for _ in range(3)]
    assert statuses == [404, 404, 429]
    _, headers, body = await ask(app, stubbed.client, "/secrets?api-version=7.4", {})
    assert (dict(headers)[b"retry-after"], json.loads(body)["error"]["code"]) == (b"1", "Throttled")
    status, headers, body = await ask(app, stubbed.client, "/v1/secrets", {})
    assert (status, dict(headers)[b"retry-after"]) == (429, b"1")
    assert json.loads(body)["code"] == "rate_limited"
    assert (await ask(app, stubbed.client, path, {"authorization": "Bearer x"}))[0] == 401
    clock.move(1)
    assert (await ask(app, stubbed.client, path, {}))[0] == 404


async def test_i14_a_batch_counts_as_many_requests_as_it_has_items(stubbed: Stubbed) -> None:
    stubbed.service.error = SecretNotFound("x")
    clock = VirtualClock()
    app = create_app(replace(stubbed.parts, rates=Rates(1, 5, clock.monotonic)))
    for path, body in (("secrets:batch-get", {"items": [{"name": "a"}] * 3}), ("cache:warm", {"names": ["a"] * 3})):
        raw = json.dumps(body).encode()
        statuses = [(await ask(app, stubbed.client, f"/v1/{path}", {}, method="POST", body=raw))[0] for _ in range(2)]
        assert statuses[1] == 429
        assert statuses[0] != 429
        clock.move(5)
