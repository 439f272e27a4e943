"""The mutants, in the order of an order's way: signal, decision, commit, gateway, exchange, fill, protection, truth."""

from tests.mutants.mutant import Mutant

_GATEWAY = "tests/runtime/test_gateway.py::"
_ENGINE = "tests/runtime/test_engine.py::"
_PROMISES = "tests/runtime/test_promises.py::"
_INTAKE = "tests/runtime/intake/test_intake.py::"
_VENUE = "tests/venue/binance/"
_DOMAIN = "tests/domain/"

MUTANTS = (
    # ------------------------------------------------------------ signals
    Mutant(
        "early-ack",
        "a signal is acknowledged to the broker only when its decision is committed",
        "tradeengine/runtime/intake/shard.py",
        "            answers = list(zip(messages, await self._decide(signals), strict=True))\n"
        "            await self.worker.acknowledge(messages)\n",
        "            await self.worker.acknowledge(messages)\n"
        "            answers = list(zip(messages, await self._decide(signals), strict=True))\n",
        (f"{_INTAKE}test_a_fenced_shard_gives_its_signals_back",),
    ),
    Mutant(
        "no-duplicates",
        "one signal id has one outcome",
        "tradeengine/domain/signals.py",
        "if signal.known or signal.key in state.decided:",
        "if signal.known:",
        (f"{_DOMAIN}test_signals.py::test_one_id_has_one_outcome",),
    ),
    Mutant(
        "no-lookup",
        "a signal from before the memory's reach is looked up among the committed decisions",
        "tradeengine/runtime/shard.py",
        "if self.state.needs_lookup(given):",
        "if False:",
        (f"{_ENGINE}test_one_id_has_one_outcome_even_after_the_memory_has_lost_it",),
    ),
    Mutant(
        "stale-close",
        "a close is never refused for its age",
        "tradeengine/runtime/gateway.py",
        "elif order.purpose is OrderPurpose.OPEN and age > most:",
        "elif age > most:",
        (f"{_GATEWAY}test_a_close_is_never_too_old_to_be_sent",),
    ),
    Mutant(
        "two-stops",
        "a trailing stop excludes a fixed one",
        "contracts/signal.py",
        "        if self.trailing_pct is None:\n            return self\n",
        "        if self.trailing_pct is None or self.trailing_pct:\n            return self\n",
        ("tests/contracts/test_signal.py::test_a_trailing_stop_is_the_only_stop",),
    ),
    Mutant(
        "close-all",
        "a close takes the sender's share and nobody else's",
        "tradeengine/domain/signals.py",
        "wanted = min(own.closable, signal.quantity or own.closable)",
        "wanted = signal.quantity or leg.quantity",
        (f"{_DOMAIN}test_signals.py::test_a_close_takes_only_the_senders_share",),
    ),
    # ------------------------------------------------------------ risk
    Mutant(
        "wrong-side",
        "a stop on the wrong side of the price refuses the opening",
        "tradeengine/domain/risk.py",
        "        or _stop_sides(draft, reference)\n",
        "",
        (f"{_DOMAIN}test_risk.py::test_a_stop_lies_behind_the_price_and_a_target_before_it",),
    ),
    Mutant(
        "no-room",
        "no opening whose stop would find no room among the account's conditional orders",
        "tradeengine/domain/allowance.py",
        "if needed <= 0 or orders + needed <= most:",
        "if needed <= 0 or orders + needed:",
        (f"{_DOMAIN}test_allowance.py::test_stop_and_target_must_fit_below_the_limit_less_the_reserve",),
    ),
    Mutant(
        "round-up",
        "a quantity is never rounded up",
        "tradeengine/domain/instrument.py",
        "return _multiple(quantity, self.step_size, ROUND_DOWN)",
        "return _multiple(quantity, self.step_size, ROUND_CEILING)",
        (f"{_DOMAIN}test_instrument.py::test_a_quantity_goes_down_to_its_step",),
    ),
    Mutant(
        "blind-opening",
        "nothing is decided before the exchange was looked at",
        "tradeengine/runtime/engine.py",
        "        if not self.reconciler.has_looked:\n",
        "        if self.reconciler is None:\n",
        (f"{_PROMISES}test_nothing_is_decided_before_the_exchange_was_looked_at",),
    ),
    # ------------------------------------------------------------ commit
    Mutant(
        "send-first",
        "an order leaves after its record is committed, not before",
        "tradeengine/runtime/shard.py",
        "            await self._committer.commit(record)\n"
        "            self.sequence += 1\n"
        "            self._uncommitted = []\n"
        "            for listener in self._listeners:\n"
        "                listener(record)\n",
        "            for listener in self._listeners:\n"
        "                listener(record)\n"
        "            await self._committer.commit(record)\n"
        "            self.sequence += 1\n"
        "            self._uncommitted = []\n",
        (f"{_PROMISES}test_no_order_leaves_before_its_record_is_committed",),
    ),
    Mutant(
        "no-fence",
        "a position of the journal that is taken refuses another owner's record",
        "tradeengine/journal/fence.py",
        "if sequence != last + 1:",
        "if sequence < last:",
        ("tests/journal/test_contract.py::test_a_position_that_is_taken_or_leaves_a_hole_is_fenced",),
    ),
    Mutant(
        "fenced-goes-on",
        "a fenced shard is dropped and decides nothing any more",
        "tradeengine/runtime/host.py",
        "                self.fenced, self.failure = True, str(error)\n",
        "                self.fenced, self.failure = False, None\n",
        (f"{_ENGINE}test_another_writer_fences_the_shard_and_leaves_the_others_alone",),
    ),
    Mutant(
        "reload-too-soon",
        "a failed shard waits for its last record before it is read again",
        "tradeengine/runtime/host.py",
        "            await self._committer.settle(self.number)\n",
        "",
        (
            "tests/runtime/test_host.py::"
            "test_a_gateway_that_fails_while_the_journal_is_down_does_not_fence_its_own_shard",
        ),
    ),
    Mutant(
        "other-venue",
        "a journal of another venue is refused",
        "tradeengine/runtime/engine.py",
        "if written and host.state.venue != self._venue.name:",
        "if written and host.state.venue is None:",
        (f"{_PROMISES}test_a_journal_of_another_venue_is_refused",),
    ),
    # ------------------------------------------------------------ gateway
    Mutant(
        "resend",
        "an order whose outcome is unknown is asked for, never sent again",
        "tradeengine/runtime/gateway.py",
        "await self._persist(self._place, order, RetrySafe)\n            self._watch(order)",
        "await self._persist(self._place, order, RetrySafe, OutcomeUnknown)\n            self._watch(order)",
        (f"{_GATEWAY}test_an_order_whose_answer_was_lost_is_found_and_never_sent_twice",),
    ),
    Mutant(
        "asked-once",
        "an order that is not found counts as never sent only when the exchange has had time to show it",
        "tradeengine/runtime/gateway.py",
        "            left = deadline - self._clock.monotonic()\n",
        "            left = 0.0\n",
        (f"{_GATEWAY}test_an_order_that_is_not_found_for_long_enough_never_arrived",),
    ),
    Mutant(
        "overtaking-cancel",
        "a cancel never overtakes its order",
        "tradeengine/runtime/gateway.py",
        "if order.client_order_id in self._placing:",
        "if order.client_order_id is None:",
        (f"{_GATEWAY}test_a_cancel_never_overtakes_its_order",),
    ),
    Mutant(
        "forgotten-orders",
        "after a restart the venue is asked about every order that was live",
        "tradeengine/runtime/gateway.py",
        "[self._resume(order, rounds) for order in orders]",
        "[self._resume(order, rounds) for order in tuple(orders)[:0]]",
        (
            f"{_GATEWAY}test_after_a_restart_orders_that_never_left_are_sent_once_after_one_wait_for_all",
            f"{_GATEWAY}test_after_a_restart_a_cancel_under_way_is_repeated",
        ),
    ),
    Mutant(
        "paper-forgets",
        "after a restart the paper exchange is given back what rested there",
        "tradeengine/runtime/service.py",
        "            remember(self.paper, self.engine.states, self.clock)\n",
        "            remember(self.paper, [], self.clock)\n",
        (f"{_PROMISES}test_after_a_restart_the_stop_that_rested_on_paper_rests_again",),
    ),
    Mutant(
        "one-line",
        "what protects or reduces never waits behind openings",
        "tradeengine/runtime/outbox.py",
        "(self.openings if opening else self.urgent).put(",
        "(self.openings if opening else self.openings).put(",
        (f"{_GATEWAY}test_what_protects_or_reduces_leaves_before_openings_and_each_in_order",),
    ),
    # ------------------------------------------------------------ exchange
    Mutant(
        "timeout-refused",
        "-1007, a timeout behind the exchange's door, may have taken effect",
        "tradeengine/venue/binance/codes.py",
        "    **_all(_UNKNOWN, -1000, -1001, -1006, -1007, -2012, -4117),\n",
        "    **_all(_UNKNOWN, -1000, -1001, -1006, -2012, -4117),\n    **_all(_FINAL, -1007),\n",
        (f"{_VENUE}test_failures.py",),
    ),
    Mutant(
        "id-again",
        "an order that the exchange has told of is not sent again under its id",
        "tradeengine/venue/binance/desk.py",
        "if self._links.is_heard(order.client_order_id):",
        "if order.client_order_id is None:",
        (f"{_VENUE}test_venue.py::test_an_order_that_filled_is_never_sent_again",),
    ),
    Mutant(
        "long-window",
        "a signed request is worth nothing after our own short recvWindow",
        "tradeengine/venue/binance/client.py",
        "        self.REQUEST_RECVWINDOW = recv_window_ms\n",
        "",
        (f"{_VENUE}test_rest.py::test_a_signed_request_carries_our_window_and_the_exchanges_time",),
    ),
    Mutant(
        "reduce-only",
        "in hedge mode reduceOnly is never sent: the exchange would refuse every close",
        "tradeengine/venue/binance/requests.py",
        'return {"positionSide": order.position_side.value}',
        'return {"positionSide": order.position_side.value, "reduceOnly": "true"}',
        (f"{_VENUE}test_requests.py::test_hedge_mode_names_the_leg_and_never_reduce_only",),
    ),
    Mutant(
        "no-reserve",
        "openings leave room in the exchange's limits for what protects and closes",
        "tradeengine/venue/binance/budget.py",
        "(self.used + amount) * 100 <= self.limit * share_pct",
        "(self.used + amount) * 100 <= self.limit * max(100, share_pct)",
        (f"{_VENUE}test_budget.py::test_what_is_less_urgent_leaves_a_reserve_to_what_is_more",),
    ),
    Mutant(
        "key-deleted",
        "the listen key is never deleted: other processes hear by it",
        "tradeengine/venue/binance/user_stream.py",
        "        finally:\n            await socket.close()\n",
        "        finally:\n            await socket.close()\n"
        '            gone = KEEP_USER_STREAM._replace(method="futures_stream_close")\n'
        "            await self._rest.call(gone, Priority.PROTECT, listenKey=key)\n",
        (f"{_VENUE}test_user_stream.py::test_the_listen_key_is_never_deleted_and_is_kept_alive",),
    ),
    Mutant(
        "alive-too-soon",
        "the user stream counts as alive only when the gap before it is read back",
        "tradeengine/venue/binance/user_stream.py",
        "        self._reading = self._everything = True\n        self._wanted.set()\n",
        "        self._reading = self._everything = False\n        self._sees()\n",
        (f"{_VENUE}test_user_stream.py::test_i63_a_cut_connection_loses_no_fill_and_is_replaced_in_two_seconds",),
    ),
    # ------------------------------------------------------------ fills
    Mutant(
        "booked-twice",
        "each trade is booked once",
        "tradeengine/domain/fills.py",
        "if trade_key(fill.symbol, fill.trade_id) in state.trades or"
        " (order is not None and fill.trade_id in order.trades):",
        "if trade_key(fill.symbol, fill.trade_id) is None:",
        (f"{_DOMAIN}test_fills.py::test_a_trade_is_booked_once",),
    ),
    Mutant(
        "late-is-foreign",
        "a late fill of an order that was given up belongs to its strategy",
        "tradeengine/domain/fills.py",
        "    order = state.orders.get(fill.client_order_id) or state.ended.get(fill.client_order_id)\n",
        "    order = state.orders.get(fill.client_order_id)\n",
        (f"{_DOMAIN}test_fills_foreign.py::test_a_market_order_that_was_given_up_and_executed_gets_its_stop",),
    ),
    # ------------------------------------------------------------ protection
    Mutant(
        "cancel-first",
        "a stop that rests leaves only when the one that replaces it rests",
        "tradeengine/domain/legs.py",
        "        if not rests(live):\n            # It may not even",
        "        if live is not None:\n            # It may not even",
        (f"{_DOMAIN}test_protection.py::test_a_stop_that_rests_leaves_only_when_its_replacement_rests",),
    ),
    Mutant(
        "no-clamp",
        "a stop outside the exchange's band is moved to its edge, where it can rest",
        "tradeengine/domain/triggers.py",
        "return max(low, wanted if high is None else min(wanted, high))",
        "return wanted",
        (f"{_DOMAIN}test_triggers.py::test_i19_a_stop_outside_the_band_is_moved_to_its_edge_and_flagged",),
    ),
    Mutant(
        "naked-on",
        "a position whose stop is refused is closed at market",
        "tradeengine/domain/refusals.py",
        '        yield _told(position, ended, "the position is closed at market")\n'
        "        yield from flatten(state, position, ended.time_ms)\n",
        '        yield _told(position, ended, "the position is closed at market")\n',
        (f"{_DOMAIN}test_refusals.py::test_i11_a_refused_stop_flattens_at_once_and_says_so",),
    ),
    Mutant(
        "orphans",
        "what could still reduce a position goes when the position is gone",
        "tradeengine/domain/protection.py",
        "    return cancels(orders, POSITION_CLOSED, time_ms)\n",
        "    return cancels([], POSITION_CLOSED, time_ms)\n",
        (f"{_DOMAIN}test_protection.py::test_when_one_leg_fills_the_other_is_cancelled",),
    ),
    # ------------------------------------------------------------ truth
    Mutant(
        "silence-is-flat",
        "an answer that cannot be understood is unknown, never flat",
        "tradeengine/venue/binance/snapshot.py",
        "                raise\n            self.trouble =",
        "                raise\n            return []\n            self.trouble =",
        (f"{_VENUE}test_reader.py::test_i47_an_exchange_without_conditional_orders_is_named",),
    ),
    Mutant(
        "moving-judged",
        "a leg that was traded since the exchange was asked is not judged",
        "tradeengine/domain/reconcile.py",
        "        if view.moved:\n            continue\n",
        "",
        (f"{_DOMAIN}test_reconcile_moving.py::test_a_leg_that_was_traded_since_the_question_is_not_judged",),
    ),
    Mutant(
        "contradiction",
        "a leg whose sign contradicts its side halts its symbol",
        "tradeengine/domain/reconcile_legs.py",
        "    if view.exchange >= ZERO:\n        return None\n",
        "    if view.exchange >= ZERO or view.exchange:\n        return None\n",
        (
            f"{_DOMAIN}test_reconcile_legs.py::test_a_contradiction_that_changes_is_told_again_and_one_that_goes_is_over",
        ),
    ),
)
