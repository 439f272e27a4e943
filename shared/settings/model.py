"""The settings of the engine, by the names that the environment gives them."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, model_validator

from contracts.enums import (
    CrossedStopPolicy,
    DifferencePolicy,
    OppositeDirectionPolicy,
    PositionMode,
    SameDirectionPolicy,
    TradingMode,
    UnprotectedPolicy,
)
from contracts.values import Fraction, PositiveFraction
from shared.errors import ConfigError
from shared.secrets import MASK, mask_uris, uri_secrets
from shared.settings.checks import check_consistency, resolved_position_mode
from shared.settings.fields import (
    ApiKey,
    BasisPoints,
    Embedded,
    FeeRate,
    FloorByStrategy,
    Level,
    LogFormat,
    LogLevel,
    Margin,
    MarginType,
    Money,
    Port,
    Seconds,
    Symbols,
    uri,
)
from shared.settings.sources import Given, collect

_DEFAULT = "default"
DEFAULT_DATABASE = "tradeengine"
"""Name of the database, in MongoDB and in MySQL, where none is set."""
_SECRET_NAMES = ("_KEY", "_SECRET", "_PASSWORD")


class SettingRow(NamedTuple):
    """One line of :meth:`Settings.describe`; ``source`` is ``default``, ``env`` or ``file``."""

    name: str
    value: str
    source: str


def _named(name: str, default: Any, description: str) -> Any:
    return Field(default=default, alias=name, description=description)


def _says(description: str) -> Any:
    return Field(description=description)


class Settings(BaseModel):
    """Everything that is configured from outside; an attribute is called like its variable, in lower case.

    Make one with :meth:`load`. Fractions are fractions (0.02 is 2 %), money is in quote currency.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=str.upper, validate_default=True, hide_input_in_errors=True
    )

    data_dir: Path = _named("TRADEENGINE_DATA_DIR", Path("data"), "folder of the journal and the embedded services")
    host: str = _named("TRADEENGINE_HOST", "127.0.0.1", "address that the HTTP API listens on")
    port: Port = _named("TRADEENGINE_PORT", 8000, "port of the HTTP API, 0 for a free one")
    environment: str = "development"
    log_level: Level = LogLevel.INFO
    log_format: LogFormat = LogFormat.AUTO

    reader_api_key: Annotated[ApiKey | None, _says("HTTP key that reads")] = None
    trader_api_key: Annotated[ApiKey | None, _says("HTTP key that sends signals")] = None
    risk_override_key: Annotated[ApiKey | None, _says("HTTP key of an operator")] = None
    admin_api_key: Annotated[ApiKey | None, _says("HTTP key of an administrator")] = None

    trading_mode: Annotated[TradingMode, _says("where orders go")] = TradingMode.PAPER
    position_mode: Annotated[PositionMode, _says("hedge (both legs of a symbol) or one-way")] = PositionMode.HEDGE
    hedge_mode_enabled: Annotated[bool | None, _says("older spelling of POSITION_MODE")] = None
    position_mode_aware_conflicts: Annotated[
        bool | None, _says("true: opposite legs are no conflict in hedge mode")
    ] = None
    same_direction_conflict_resolution: SameDirectionPolicy = SameDirectionPolicy.ACCUMULATE
    opposite_direction_conflict_resolution: Annotated[OppositeDirectionPolicy, _says("in one-way mode")] = (
        OppositeDirectionPolicy.REDUCE
    )
    allowed_symbols: Annotated[Symbols, _says("symbols with commas between; none means all")] = ()
    shards: Annotated[int, Field(ge=1, le=256, description="parts that symbols are dealt to, 1 to 256")] = 8
    lease_seconds: Annotated[
        Seconds, Field(ge=3, le=120, description="time after which a silent pod's shards are taken over, 3 to 120")
    ] = Decimal(15)
    pod_name: Annotated[
        str | None, Field(max_length=200, description="what people call this process; the machine's name by default")
    ] = None
    max_signal_age_seconds: Annotated[Seconds, Field(gt=0, description="oldest opening signal, above 0")] = Decimal(300)
    min_confidence: Annotated[Fraction, _says("floor of opening signals, 0 to 1")] = Decimal(0)
    min_confidence_by_strategy: Annotated[FloorByStrategy, _says('JSON such as {"momentum": 0.7}')] = {}

    order_size_pct: Annotated[PositiveFraction | None, _says("order size, a fraction of equity up to 1")] = None
    order_size_quote: Annotated[Money | None, _says("order size in quote currency")] = None
    max_position_size_usd: Annotated[Money | None, _says("cap of one exchange position")] = None
    max_accumulations_per_position: Annotated[
        int | None, Field(ge=0, le=1_000_000, description="additions to one strategy position, 0 or more")
    ] = None
    accumulation_cooldown_seconds: Annotated[Seconds, _says("pause between two additions, 0 or more")] = Decimal(0)
    max_daily_loss_usd: Annotated[Money | None, _says("loss of a UTC day that stops opening")] = None
    max_total_exposure_usd: Annotated[Money | None, _says("cap of all open positions together")] = None
    max_drawdown_pct: Annotated[PositiveFraction | None, _says("fall from the highest equity, a fraction up to 1")] = (
        None
    )
    stop_loss_pct: Annotated[
        PositiveFraction | None, Field(lt=1, description="stop distance, a fraction of the fill price: 0.02 is 2 %")
    ] = None
    take_profit_pct: Annotated[
        PositiveFraction | None, Field(description="target distance, a fraction of the fill price: 0.02 is 2 %")
    ] = None
    min_stop_distance_pct: Annotated[
        Fraction, Field(lt=1, description="least stop distance, a fraction of the fill price: 0.002 is 0.2 %")
    ] = Decimal(0)
    max_stop_distance_pct: Annotated[
        PositiveFraction | None, _says("farthest stop that an opening may ask for, a fraction of the price up to 1")
    ] = None
    crossed_stop_policy: Annotated[
        CrossedStopPolicy, _says("close, or reprice once: a stop that the market has crossed before it rests")
    ] = CrossedStopPolicy.CLOSE
    unprotected_policy: Annotated[
        UnprotectedPolicy, _says("flatten or hold: a position whose stop the exchange refuses otherwise")
    ] = UnprotectedPolicy.FLATTEN
    conditional_order_reserve: Annotated[
        int, Field(ge=0, le=200, description="conditional orders of the account that openings leave free, 0 to 200")
    ] = 10

    difference_policy: Annotated[
        DifferencePolicy, _says("repair what differs between books and exchange, or halt the symbol")
    ] = DifferencePolicy.REPAIR
    stale_position_seconds: Annotated[
        Seconds, Field(gt=0, description="age of a position from which on an alert stands, above 0")
    ] = Decimal(604_800)
    reconcile_interval_seconds: Annotated[
        Seconds, Field(ge=1, le=60, description="pause between two looks at what the exchange holds, 1 to 60")
    ] = Decimal(5)

    paper_equity: Annotated[Money, _says("equity that the paper account starts with")] = Decimal(10_000)
    paper_maker_fee: Annotated[FeeRate, _says("fraction of the notional, -0.1 to 0.1")] = Decimal("0.0002")
    paper_taker_fee: Annotated[FeeRate, _says("fraction of the notional, -0.1 to 0.1")] = Decimal("0.0005")
    paper_slippage_bps: Annotated[BasisPoints, _says("basis points against a market order")] = Decimal(0)
    paper_latency_ms: Annotated[
        int, Field(ge=0, le=60_000, description="milliseconds that a request takes to the paper venue, 0 to 60000")
    ] = 0
    paper_funding_rate: Annotated[
        FeeRate, _says("funding of every 8 h (00, 08, 16 UTC), a fraction of the notional that longs pay, -0.1 to 0.1")
    ] = Decimal(0)
    paper_max_fill_quantity: Annotated[
        Money | None, _says("most that one price executes of an order, base asset; none: orders fill whole")
    ] = None

    nats_url: Annotated[str, uri("nats", "tls", "ws", "wss")] | None = None
    nats_topic_signals: Annotated[str, _says("subject of signals")] = "signals.trading"
    nats_embedded: Annotated[Embedded, _says("auto, on or off")] = Embedded.AUTO

    mongodb_uri: Annotated[
        Annotated[str, uri("mongodb", "mongodb+srv")] | None, _says("where the truth is kept; none: in the data folder")
    ] = None
    mongodb_database: Annotated[str, Field(min_length=1, max_length=63, description="its database")] = DEFAULT_DATABASE
    mongodb_timeout_ms: Annotated[
        int, Field(ge=500, le=60_000, description="milliseconds that a command may take, 500 to 60000")
    ] = 5_000
    journal_keep_days: Annotated[
        int, Field(ge=0, le=36_500, description="days that records stay in the journal when it is archived, 0 or more")
    ] = 7
    archive_dir: Annotated[
        Path | None, _says("folder that records are archived to; none: the folder archive in the data folder")
    ] = None
    mysql_uri: Annotated[
        Annotated[str, uri("mysql", "mysql+pymysql")] | None,
        _says("where the analysts' copy is kept, mysql://user:password@host:port/database; none: no copy"),
    ] = None
    mysql_host: Annotated[str | None, _says("with the four below, in place of MYSQL_URI")] = None
    mysql_port: Port | None = None
    mysql_user: str | None = None
    mysql_password: SecretStr | None = None
    mysql_database: str | None = None
    binance_api_key: Annotated[ApiKey | None, _says("key of the account that is traded")] = None
    binance_api_secret: Annotated[ApiKey | None, _says("secret of that key")] = None
    binance_testnet: Annotated[bool | None, _says("must agree with TRADING_MODE, which decides")] = None
    binance_futures_base_url: Annotated[str, uri("http", "https")] | None = None
    binance_ws_url: Annotated[str, uri("ws", "wss")] | None = None
    binance_leverage: Annotated[int, Field(ge=1, le=125, description="leverage of every symbol, 1 to 125")] = 5
    binance_margin_type: Annotated[Margin, _says("CROSSED or ISOLATED, for every symbol")] = MarginType.CROSSED
    binance_recv_window_ms: Annotated[
        int, Field(ge=500, le=10_000, description="milliseconds that a signed request may be old, 500 to 10000")
    ] = 2_000

    _given: dict[str, Given] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "position_mode" not in self.model_fields_set:
            # Deployments that know only the older name must get what they ask for.
            self.__dict__["position_mode"] = resolved_position_mode(self)
        check_consistency(self)
        return self

    @classmethod
    def load(cls, env: Mapping[str, str] | None = None, config_file: Path | None = None) -> "Settings":
        """Read all settings.

        Parameters
        ----------
        env
            Environment, the process's own by default. ``NAME_FILE`` gives the file that holds ``NAME``.
        config_file
            A ``.toml``, ``.json`` or ``.env`` file with the same names in any case; the environment wins over it.

        Raises
        ------
        ConfigError
            If anything is unknown or wrong; the text names each setting, its value, the rule and what to do.
        """
        given = collect(setting_names(), env, config_file)
        try:
            settings = cls.model_validate({name: found.value for name, found in given.items()})
        except ValidationError as error:
            raise ConfigError(_explained(error, given)) from None
        settings._given = given
        return settings

    def describe(self) -> list[SettingRow]:
        """Every setting with its value and source, secrets masked."""
        rows = []
        for field, name in _names().items():
            value = getattr(self, field)
            source = self._given[name].source if name in self._given else _DEFAULT
            rows.append(SettingRow(name, _shown(value), source))
        return rows

    def secrets(self) -> set[str]:
        """Values that must never be logged or shown."""
        found: set[str] = set()
        for field in type(self).model_fields:
            value = getattr(self, field)
            if isinstance(value, SecretStr):
                found.add(value.get_secret_value())
            elif isinstance(value, str):
                found |= uri_secrets(value)
        return found

    @property
    def mysql_address(self) -> str | None:
        """Where the copy in MySQL is, as a URI, whichever way it was said; a secret."""
        if self.mysql_host is None:
            return self.mysql_uri
        password = f":{quote(self.mysql_password.get_secret_value(), safe='')}" if self.mysql_password else ""
        user = f"{quote(self.mysql_user, safe='')}{password}@" if self.mysql_user else ""
        port = f":{self.mysql_port}" if self.mysql_port else ""
        return f"mysql://{user}{self.mysql_host}{port}/{self.mysql_database or DEFAULT_DATABASE}"

    def unused(self) -> list[str]:
        """Names that are set but that this version does not use yet."""
        families = [] if self.trading_mode.real else ["BINANCE_"]
        families += [] if self.mongodb_uri else ["MONGODB_"]
        return sorted(name for name in self._given if name.startswith(tuple(families)))


def setting_names() -> frozenset[str]:
    """Names of all settings, as the environment spells them."""
    return frozenset(_names().values())


def _names() -> dict[str, str]:
    return {field: info.alias or field.upper() for field, info in Settings.model_fields.items()}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={floor}" for name, floor in value.items())
    return mask_uris(str(value))


def _explained(error: ValidationError, given: Mapping[str, Given]) -> str:
    rules = {name: Settings.model_fields[field].description for field, name in _names().items()}
    lines = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        text = problem["msg"].removeprefix("Value error, ")
        name = str(problem["loc"][0]) if problem["loc"] else ""
        if name not in given:
            lines.append(text)
            continue
        found = given[name]
        value = MASK if name.endswith(_SECRET_NAMES) else mask_uris(str(found.value))[:80]
        rule = f" ({rules[name]})" if rules[name] else ""
        lines.append(f"{name}={value!r} from {found.where}: {text}{rule}; correct it, or remove it for the default")
    return "\n".join(lines)
