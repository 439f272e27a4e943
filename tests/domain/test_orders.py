"""Orders: what an addition says about protection replaces what was held, leg by leg."""

import pytest

from tests.support.builders import build
from tradeengine.domain.orders import ProtectionTerms, merged

HELD = build(ProtectionTerms, stop_loss="90", take_profit_pct="0.1")


@pytest.mark.parametrize(
    ("added", "result"),
    [
        ({}, {"stop_loss": "90", "take_profit_pct": "0.1"}),
        ({"stop_loss": "95"}, {"stop_loss": "95", "take_profit_pct": "0.1"}),
        ({"stop_loss_pct": "0.05"}, {"stop_loss_pct": "0.05", "take_profit_pct": "0.1"}),
        ({"take_profit": "120"}, {"stop_loss": "90", "take_profit": "120"}),
        ({"stop_loss": "80", "take_profit": "110"}, {"stop_loss": "80", "take_profit": "110"}),
    ],
)
def test_what_an_addition_names_replaces_what_was_held(added: dict[str, str], result: dict[str, str]) -> None:
    assert merged(HELD, build(ProtectionTerms, **added)) == build(ProtectionTerms, **result)
