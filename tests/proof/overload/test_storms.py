"""I12: whatever share of its calls fails, Key Vault is hardly asked more often than it would be in health."""

import pytest

from tests.proof.overload.storms import BEGINS_S, ENDS_S, storm
from tests.proof.overload.weather import WeatherVault


@pytest.mark.parametrize("clients", [5, 20])
@pytest.mark.parametrize("share", [0.2, 0.3, 0.4, 1.0])
def test_i12_retries_add_a_fifth_at_most(clients: int, share: float) -> None:
    def ill(vault: WeatherVault) -> None:
        vault.failing_share = share

    assert storm(clients, 1, ill).ratio() <= 1.2


def test_i12_a_vault_that_throttles_is_asked_little_and_left_alone_for_as_long_as_it_says() -> None:
    def ill(vault: WeatherVault) -> None:
        vault.retry_after_s = 5.0

    seen = storm(20, 1, ill)
    assert seen.ratio() <= 0.1
    assert seen.recovered_s() <= 60


def test_i12_probes_of_a_vault_that_hangs_go_one_at_a_time() -> None:
    def ill(vault: WeatherVault) -> None:
        vault.hanging = True

    seen = storm(20, 1, ill)
    opened = BEGINS_S + 10.0  # the attempts before the breaker opened have timed out by then
    assert seen.vault.calls_in(opened, ENDS_S) <= 5
    assert seen.recovered_s() <= 60
