import pytest

from holdfast.auth import limiter as limits
from holdfast.auth.limiter import MAX_FAILURES, REFILL_S, FailureLimiter


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def exhaust(limiter: FailureLimiter, source: str) -> None:
    for _ in range(MAX_FAILURES):
        assert limiter.retry_after_s(source) == 0
        limiter.failed(source)


def test_a_guesser_has_to_wait_and_others_do_not(time: Time) -> None:
    limiter = FailureLimiter(time)
    exhaust(limiter, "10.0.0.1")
    assert limiter.retry_after_s("10.0.0.1") > 0
    assert limiter.retry_after_s("10.0.0.2") == 0


def test_waiting_allows_one_more_guess(time: Time) -> None:
    limiter = FailureLimiter(time)
    exhaust(limiter, "10.0.0.1")
    time.now += limiter.retry_after_s("10.0.0.1")
    assert limiter.retry_after_s("10.0.0.1") == 0
    limiter.failed("10.0.0.1")
    assert 0 < limiter.retry_after_s("10.0.0.1") <= REFILL_S


def test_a_long_rest_restores_the_whole_allowance(time: Time) -> None:
    limiter = FailureLimiter(time)
    exhaust(limiter, "10.0.0.1")
    time.now += 10 * MAX_FAILURES * REFILL_S
    exhaust(limiter, "10.0.0.1")


def test_the_table_is_bounded(time: Time) -> None:
    limiter = FailureLimiter(time)
    for number in range(limits.MAX_SOURCES + 10):
        limiter.failed(str(number))
    assert len(limiter._full_at) == limits.MAX_SOURCES
