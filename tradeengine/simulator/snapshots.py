"""The whole state as a document, and back."""

from decimal import Decimal
from typing import Any

import msgspec

from tradeengine.simulator.algo import AlgoOrder
from tradeengine.simulator.brackets import Bracket
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.events import Emitted
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.market import Market
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.options import Options
from tradeengine.simulator.orders import Order
from tradeengine.simulator.prices import PricePath
from tradeengine.simulator.schedule import Schedule, Task
from tradeengine.simulator.state import Ids, State, Terms
from tradeengine.simulator.symbols import SymbolRules
from tradeengine.simulator.trades import Trade
from tradeengine.simulator.wallet import Income, Wallet

_VERSION = 1


class _ContractDocument(msgspec.Struct):
    entry: dict[str, Any]
    brackets: tuple[Bracket, ...]
    market: Market
    leverage: int
    isolated: bool
    countdown_ms: int
    legs: list[Leg]
    orders: list[Order]
    algos: list[AlgoOrder]
    trades: list[Trade]


class _WalletDocument(msgspec.Struct):
    balance: Decimal
    history: list[Income]
    tran_id: int
    updated_ms: int
    other: Decimal = ZERO


class _Document(msgspec.Struct):
    version: int
    now_ms: int
    seed: int
    options: dict[str, Any]
    terms: Terms
    api_keys: dict[str, str]
    wallet: _WalletDocument
    ids: Ids
    contracts: list[_ContractDocument]
    tasks: list[Task]
    task_number: int
    paths: list[PricePath]
    emitted: list[Emitted]


def snapshot(state: State) -> dict[str, Any]:
    """Write the state down: ``contracts`` by symbol in the order of listing, histories by rising id."""
    wallet = state.wallet
    document = _Document(
        version=_VERSION,
        now_ms=state.now_ms,
        seed=state.seed,
        options=state.options.model_dump(mode="json"),
        terms=state.terms,
        api_keys=state.api_keys,
        wallet=_WalletDocument(wallet.balance, wallet.history, wallet.tran_id, wallet.updated_ms, wallet.other),
        ids=state.ids,
        contracts=[_contract_document(contract) for contract in state.contracts.values()],
        tasks=state.schedule.tasks(),
        task_number=state.schedule.number,
        paths=state.paths,
        emitted=state.emitted,
    )
    written: dict[str, Any] = msgspec.to_builtins(document)
    return written


def restore(document: dict[str, Any]) -> State:
    """Read a state.

    Raises
    ------
    ValueError
        If the document is no snapshot of this version.
    """
    try:
        read = msgspec.convert(document, _Document)
    except msgspec.ValidationError as error:
        raise ValueError(f"this is no snapshot of the exchange: {error}") from error
    if read.version != _VERSION:
        raise ValueError(f"the snapshot is of version {read.version}, but {_VERSION} is needed; start afresh")
    wallet = Wallet(read.wallet.balance, read.wallet.history, read.wallet.tran_id, read.wallet.other)
    wallet.updated_ms = read.wallet.updated_ms
    state = State(
        now_ms=read.now_ms,
        seed=read.seed,
        options=Options.model_validate(read.options),
        terms=read.terms,
        wallet=wallet,
    )
    state.api_keys = read.api_keys
    state.ids = read.ids
    state.contracts = {kept.entry["symbol"]: _contract(kept) for kept in read.contracts}
    state.schedule = Schedule(read.tasks, read.task_number)
    state.paths = read.paths
    state.emitted = read.emitted
    return state


def _contract_document(contract: Contract) -> _ContractDocument:
    return _ContractDocument(
        entry=contract.rules.entry,
        brackets=contract.brackets,
        market=contract.market,
        leverage=contract.leverage,
        isolated=contract.isolated,
        countdown_ms=contract.countdown_ms,
        legs=list(contract.legs()),
        orders=contract.orders.history,
        algos=contract.algos.history,
        trades=contract.trades,
    )


def _contract(kept: _ContractDocument) -> Contract:
    contract = Contract(
        SymbolRules.parse(kept.entry), kept.brackets, kept.market, leverage=kept.leverage, isolated=kept.isolated
    )
    contract.countdown_ms = kept.countdown_ms
    for leg in kept.legs:
        contract.put_leg(leg)
    for order in kept.orders:
        contract.orders.add(order)
    for algo in kept.algos:
        contract.algos.add(algo)
    contract.trades = kept.trades
    return contract
