"""Answers to every query for ``small_history``, worked out by hand. A dash is null.

Net results of the closed positions, gross less fees plus funding:

- alpha's first: 22 - 20.02 = 1.98, less 0.031, less 0.02 = 1.929, held 4200 s, stop 1.0989 % away, target
- alpha's second: 9.79 - 10.01 = -0.22, less 0.02 = -0.24, held 1800 s, stop 2.0979 % away, stopped
- beta's first: 49.9 - 48 = 1.9, less 0.049, plus 0.05 = 1.901, held 2400 s, stop 0.6012 % away, closed by a signal
- beta's second: 24 - 24.05 = -0.05, less 0.024 = -0.074, held 30 s, stop 0.625 % away, stopped
- beta's third: 10.3 - 10.1 = 0.2, less 0.01 = 0.19, held 39600.3 s, no stop, closed by a signal

alpha still holds 0.2 BTC at 100; a tenth of a BTC was sold of it: 10.3 - 10 = 0.3, less 0.015 + 0.005 = 0.28.
"""

from collections.abc import Mapping, Sequence

_TABLES = {
    "target_and_stop_rates": """
        strategy_id | closed | by_target | by_stop | otherwise | target_rate | stop_rate
        alpha       | 2      | 1         | 1       | 0         | 0.5         | 0.5
        beta        | 3      | 0         | 1       | 2         | 0           | 0.33333333
    """,
    # 0.2 + 0.05 + 0.05 of 0.4 BTC; contributions have no fees
    "contributor_profit": """
        symbol  | position_side | strategy_id | contributions | wins | quantity | quantity_share | pnl
        BTCUSDT | LONG          | alpha       | 3             | 1    | 0.3      | 0.75           | 1.76
        BTCUSDT | LONG          | beta        | 1             | 1    | 0.1      | 0.25           | 0.2
        ETHUSDT | SHORT         | beta        | 2             | 1    | 1.5      | 1              | 1.85
    """,
    "daily_results": """
        day        | strategy_id | gross_pnl | fees  | funding | net_pnl | fills
        2026-01-01 | alpha       | 1.76      | 0.066 | -0.02   | 1.674   | 6
        2026-01-01 | beta        | 1.85      | 0.078 | 0.05    | 1.822   | 5
        2026-01-02 | alpha       | 0.3       | 0.005 | 0       | 0.295   | 1
        2026-01-02 | beta        | 0.2       | 0.005 | 0       | 0.195   | 1
    """,
    "holding_times": """
        strategy_id | closed | shortest_s | median_s | p90_s   | longest_s | average_s
        alpha       | 2      | 1800       | 1800     | 4200    | 4200      | 3000
        beta        | 3      | 30         | 2400     | 39600.3 | 39600.3   | 14010.1
    """,
    # 0.03 of 60 and so on; beta's second sale knew no mark price
    "slippage": """
        strategy_id | symbol  | orders | filled_value | mark_value | slippage | slippage_bps
        alpha       | BTCUSDT | 3      | 60.03        | 60         | 0.03     | 5
        beta        | BTCUSDT | 1      | 10.1         | 10         | 0.1      | 100
        beta        | ETHUSDT | 1      | 49.9         | 50         | 0.1      | 20
    """,
    "exposure": """
        hour                     | fills | long_value | short_value | exposure
        2026-01-01T12:00:00.000Z | 1     | 20.02      | 0           | 20.02
        2026-01-01T13:00:00.000Z | 1     | 0          | 0           | 0
        2026-01-01T14:00:00.000Z | 4     | 0          | 49.9        | 49.9
        2026-01-01T15:00:00.000Z | 1     | 0          | 0           | 0
        2026-01-01T16:00:00.000Z | 2     | 0          | 0           | 0
        2026-01-01T18:00:00.000Z | 1     | 30         | 0           | 30
        2026-01-01T19:00:00.000Z | 1     | 40.1       | 0           | 40.1
        2026-01-02T06:00:00.000Z | 2     | 20         | 0           | 20
    """,
    "fee_share": """
        strategy_id | closed | gross_profit | gross_pnl | fees  | fee_share
        alpha       | 2      | 1.98         | 1.76      | 0.051 | 0.02575758
        beta        | 3      | 2.1          | 2.05      | 0.083 | 0.03952381
    """,
    "hours_of_day": """
        hour | closed | wins | win_rate | net_pnl
        13   | 1      | 1    | 1        | 1.929
        15   | 1      | 1    | 1        | 1.901
        6    | 1      | 1    | 1        | 0.19
        16   | 1      | 0    | 0        | -0.074
        14   | 1      | 0    | 0        | -0.24
    """,
    "symbols": """
        symbol  | closed | wins | win_rate   | gross_pnl | fees  | funding | net_pnl
        BTCUSDT | 3      | 2    | 0.66666667 | 1.96      | 0.061 | -0.02   | 1.879
        ETHUSDT | 2      | 1    | 0.5        | 1.85      | 0.073 | 0.05    | 1.827
    """,
    "rejections": """
        strategy_id | reason          | signals | first_at                 | last_at
        gamma       | no_position     | 2       | 2026-01-01T17:00:00.000Z | 2026-01-01T17:00:30.000Z
        gamma       | position_exists | 1       | 2026-01-01T20:00:10.000Z | 2026-01-01T20:00:10.000Z
        gamma       | stop_wrong_side | 1       | 2026-01-01T17:01:00.000Z | 2026-01-01T17:01:00.000Z
    """,
    # alpha 100, 250, 250; beta 200, 1000, 2500
    "fill_latency": """
        strategy_id | orders | shortest_ms | median_ms | p90_ms | longest_ms | average_ms
        alpha       | 3      | 100         | 250       | 250    | 250        | 200
        beta        | 3      | 200         | 1000      | 2500   | 2500       | 1233.33333333
    """,
    "profit_factor": """
        strategy_id | closed | wins | losses | won   | lost  | profit_factor | average_win | average_loss | expectancy
        alpha       | 2      | 1    | 1      | 1.929 | 0.24  | 8.0375        | 1.929       | 0.24         | 0.8445
        beta        | 3      | 2    | 1      | 2.091 | 0.074 | 28.25675676   | 1.0455      | 0.074        | 0.67233333
    """,
    "drawdowns": """
        strategy_id | closed | net_pnl | best_net_pnl | max_drawdown | longest_losing
        alpha       | 2      | 1.689   | 1.929        | 0.24         | 1
        beta        | 3      | 2.017   | 2.017        | 0.074        | 1
    """,
    "funding": """
        symbol  | position_side | payments | received | paid | net
        BTCUSDT | LONG          | 1        | 0        | 0.02 | -0.02
        ETHUSDT | SHORT         | 1        | 0.05     | 0    | 0.05
    """,
    "maker_share": """
        strategy_id | symbol  | maker_fills | taker_fills | maker_value | taker_value | maker_share
        alpha       | BTCUSDT | 1           | 6           | 22          | 80.12       | 0.21543282
        beta        | BTCUSDT | 0           | 2           | 0           | 20.4        | 0
        beta        | ETHUSDT | 0           | 4           | 0           | 145.95      | 0
    """,
    "stop_distances": """
        step | distance | closed | by_stop | by_target | wins | net_pnl
        0    | no stop  | 1      | 0       | 0         | 1    | 0.19
        3    | 0.5 - 1  | 2      | 1       | 0         | 1    | 1.827
        4    | 1 - 2    | 1      | 0       | 1         | 1    | 1.929
        5    | 2 - 5    | 1      | 1       | 0         | 0    | -0.24
    """,
    "duplicates": """
        strategy_id | signals | copied | copies | most_copies | copied_share | last_copy_at
        alpha       | 4       | 0      | 0      | 0           | 0            | -
        beta        | 5       | 1      | 2      | 2           | 0.2          | 2026-01-01T14:40:02.000Z
        gamma       | 4       | 0      | 0      | 0           | 0            | -
    """,
    # the newest record is of 06:30:00.500 on the next day
    "open_positions": """
        position_id                          | strategy_id | symbol  | position_side | quantity | entry_price | \
stop_loss | take_profit | realized_pnl | entry_time               | age_ms
        b7f8ae51-429b-4301-93a9-3a3fae1df44e | alpha       | BTCUSDT | LONG          | 0.2      | 100         | \
-         | -           | 0.3          | 2026-01-01T18:00:00.250Z | 45000250
    """,
    "conflicts": """
        strategy_id | symbol  | signals | accepted | position_exists | weaker_signal | max_accumulations | cooldown | \
opposite_direction | otherwise | conflict_rate
        alpha       | BTCUSDT | 3       | 3        | 0               | 0             | 0                 | 0        | \
0                  | 0         | 0
        beta        | BTCUSDT | 1       | 1        | 0               | 0             | 0                 | 0        | \
0                  | 0         | 0
        beta        | ETHUSDT | 2       | 2        | 0               | 0             | 0                 | 0        | \
0                  | 0         | 0
        gamma       | BTCUSDT | 2       | 0        | 1               | 0             | 0                 | 0        | \
0                  | 1         | 0.5
    """,
    "strategy_performance": """
        strategy_id | positions | open_positions | closed_positions | wins | losses | hit_rate   | closed_by_target | \
closed_by_stop | gross_pnl | fees  | funding | net_pnl | closed_net_pnl | average_win | average_loss | best_net_pnl | \
worst_net_pnl | average_holding_seconds | open_entry_value | first_entry_time         | last_exit_time
        alpha       | 3         | 1              | 2                | 1    | 1      | 0.5        | 1                | \
1              | 2.06      | 0.071 | -0.02   | 1.969   | 1.689          | 1.929       | -0.24        | 1.929        | \
-0.24         | 3000                    | 20               | 2026-01-01T12:00:10.250Z | 2026-01-01T14:30:00.100Z
        beta        | 3         | 0              | 3                | 2    | 1      | 0.66666667 | 0                | \
1              | 2.05      | 0.083 | 0.05    | 2.017   | 2.017          | 1.0455      | -0.074       | 1.901        | \
-0.074        | 14010.1                 | 0                | 2026-01-01T14:40:02.500Z | 2026-01-02T06:00:00.500Z
    """,
    # percents of alpha's closed ones: 9.89010989, -2.1, -2.29540918; of beta's ETH: 3.80761523, -0.20833333
    "contribution_summary": """
        strategy_id | symbol  | position_side | contributions | active_contributions | closed_contributions | \
strategy_positions | contributed_quantity | contributed_value | average_entry_price | wins | losses | hit_rate   | \
closed_pnl | average_pnl_pct | first_contribution_time  | last_contribution_time   | last_exit_time
        alpha       | BTCUSDT | LONG          | 4             | 1                    | 3                    | \
3                  | 0.6                  | 60.03             | 100.05              | 1    | 2      | 0.33333333 | \
1.76       | 1.8315669       | 2026-01-01T12:00:10.250Z | 2026-01-01T18:00:00.250Z | 2026-01-01T14:30:00.100Z
        beta        | BTCUSDT | LONG          | 1             | 0                    | 1                    | \
1                  | 0.1                  | 10.1              | 101                 | 1    | 0      | 1          | \
0.2        | 1.98019802      | 2026-01-01T19:00:00.200Z | 2026-01-01T19:00:00.200Z | 2026-01-02T06:00:00.500Z
        beta        | ETHUSDT | SHORT         | 2             | 0                    | 2                    | \
2                  | 1.5                  | 73.9              | 49.26666667         | 1    | 1      | 0.5        | \
1.85       | 1.79964095      | 2026-01-01T14:40:02.500Z | 2026-01-01T16:00:01.000Z | 2026-01-01T16:00:31.000Z
    """,
}


def table_of(text: str) -> list[list[str]]:
    """Cells of a table, the line of names first."""
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


def cells_of(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> list[list[str]]:
    """An answer as :func:`table_of` reads it."""
    return [list(columns), *[["-" if row[name] is None else str(row[name]) for name in columns] for row in rows]]


KNOWN = {name: table_of(text) for name, text in _TABLES.items()}
"""Tables by the name of the query."""
