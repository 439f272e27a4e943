"""A backtest beside the mere reading of its prices."""

TITLE = "Simulation"
STEPS_PER_ROUND = 2
