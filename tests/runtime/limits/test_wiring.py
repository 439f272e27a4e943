"""Who shares the account has a ledger, and who is alone with it has none."""

from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.registers.mongodb import MongoRegister
from shared.settings import Settings
from tests.support.pods import Site, played
from tradeengine.domain.inputs import SignalReceived
from tradeengine.projection.base import ParkedRow
from tradeengine.runtime.stores import make_stores


def never_parked(row: ParkedRow) -> None:
    pytest.fail(f"parked {row}")


@pytest.mark.parametrize("uri", [None, "mongodb://127.0.0.1:1"])
def test_only_a_server_keeps_a_ledger(tmp_path: Path, uri: str | None) -> None:
    settings = Settings.load({"MONGODB_URI": uri} if uri else {})
    stores = make_stores(settings, tmp_path, "paper", SystemClock(), never_parked)
    assert isinstance(stores.register, MongoRegister) is stores.shared is (uri is not None)


def test_what_the_venue_and_the_settings_limit_is_dealt_out() -> None:
    async def job(site: Site) -> None:
        pod = await site.pod("a")
        await site.spread(pod)
        assert (await site.decide(site.signal("buy", quantity="0.01"))).orders
        await site.equal(pod)
        inputs = [entry.input for record in await site.records() for entry in record.entries]
        (context,) = [given.context for given in inputs if isinstance(given, SignalReceived)]
        assert context.exposure_room is not None
        assert context.conditional_room is not None
        assert 500 <= context.exposure_room < 2_000
        assert 0 < context.conditional_room < 190
        assert context.exposure is None
        assert context.conditional_orders is None

    played(job, MAX_TOTAL_EXPOSURE_USD="10000")
