"""What the measurement of pods is, for its section of the page."""

from typing import Final

ABOUT: Final = """\
`tradeengine run` as one process and as three that share the account, with {shards} shards, journal, leases, limits
and read model on MongoDB, the copy on MySQL, and JetStream (file storage, a sync for every message). Orders go by
python-binance to `tradeengine simulator`, a process too, with fifty symbols; its rate limits, margin and brackets are
lifted, and its limit of 200 resting stops is kept: one strategy asks for the orders, and each of its hundred
positions has a stop, which is replaced with every order that adds. Settings are the defaults, logs of level INFO go
to files. Everything runs on this machine's processors, which also serve the load and the servers of
`tests/support/services.py`.

The bare loop is `fetch(500)` of nats-py, one `insert_many` a batch (a document a signal, majority, journaled) into
the same MongoDB, and an acknowledgement of every message; with three pods, three such processes share the consumer.

Highest rate: signals are published evenly for {ramp:g} s. A rate holds if the 99th percentile from the moment that a
signal was due to its committed decision is at most {latest} ms, to its order's arrival at the exchange likewise, and
nothing is rejected. Rates are doubled until one does not hold in {tries} tries, then halved (geometrically) in
between until the two are 12 % apart. Steps of the bare loop and of `1 order in 50` take turns, so that both meet what
else the machine does. Between two steps everything comes to rest, copies included. The first tenth of each step is
left out.

Latency: {half:g} s at half of that, from publication to the acknowledgement's passing the server, which follows the
decision's commit, and to the order request's arrival by the simulator's list of requests. Load and simulator read
clocks of the same machine, the latter in whole milliseconds rounded down. The bare loop gets the rate of `1 order in
50`, and each of its `insert_many` is one bare commit under that load. One insert beside it: an `insert_one` of
{bytes:,} bytes, 25 a second, by a process of its own while the pods work.

Cost: processor time and log of all pods in that step, with what the orders led to (fills, stops) until nothing more
happened. Cost over a million signals and the slope of memory are measured by `soak`.

Each signal's one decision, and each order's arrival at the exchange, is checked in every step. Median of {rounds}
rounds (range); the machine's load average was {began:.1f} at the start and {ended:.1f} in the end."""
