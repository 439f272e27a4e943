#!/usr/bin/env bash
# One engine on a laptop, in the background: scripts/platform.sh start|backtest|stop|restart|status|logs; --help says more.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${PLATFORM_DIR:-$root/var/platform}
log=$folder/engine.log
note=$folder/engine.pid
tradeengine=$root/.venv/bin/tradeengine
start_seconds=120
stop_seconds=120

usage() {
    cat <<'TEXT'
usage: scripts/platform.sh start|backtest|stop|restart|status|logs [options]

  start [OPTIONS]      run the engine in the background; options are those of `tradeengine run`, such as --demo
  stop                 end it, once what is under way is finished
  restart [OPTIONS]    both
  status               whether it runs and is ready; exit code 1 when not
  logs [OPTIONS]       what it printed last; options are those of `tail`, such as --follow
  backtest [OPTIONS]   run signals over recorded prices; options are those of `tradeengine simulate`, and without any
                       generated prices and signals are taken

Settings come from the environment, as for `tradeengine run`, which needs neither Docker nor Kubernetes. Paths are taken
from the folder of the checkout.

environment:
  PLATFORM_DIR         keeps process id, log and what backtests leave (default: var/platform)

exit codes: 0 done, 1 failed or not running, 2 wrong usage, 78 nothing is installed
TEXT
}

say() { echo "platform: $*" >&2; }
fail() { say "$*"; exit 1; }

# ---------------------------------------------------------------- the process

# Numbers of processes are dealt out again: only number and start together name one.
began() { LC_ALL=C ps -o lstart= -p "$1" 2>/dev/null || true; }

find_engine() {
    local start
    pid=''
    [ -f "$note" ] || return 1
    { read -r pid && read -r start; } <"$note" || true
    [ -n "$pid" ] && [ -n "${start:-}" ] && [ "$(began "$pid" | xargs)" = "$start" ]
}

address() { sed -nE 's#^ +API +(http://[^ ]+)/docs$#\1#p' "$log" 2>/dev/null | tail -n 1; }

# What /ready says: its status, and the reasons where there are some.
readiness() {
    "$root/.venv/bin/python" - "$(address)/ready" <<'PYTHON'
import sys
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
except (OSError, ValueError):
    print("0 nobody answers")
PYTHON
}

until_ready() {
    local end=$((SECONDS + start_seconds)) said
    while find_engine; do
        said=$(readiness)
        case $said in 200*) return 0 ;; esac
        [ $SECONDS -lt $end ] || fail "it runs, and was not ready within $start_seconds s: $said; see scripts/platform.sh logs"
        sleep 0.2
    done
    tail -n 20 "$log" >&2
    rm -f "$note"
    fail "it ended at once; its last words are above"
}

# ---------------------------------------------------------------- actions

start() {
    if find_engine; then
        say "it runs already, as process $pid; its API is at $(address)"
        return
    fi
    mkdir -p "$folder"
    [ ! -f "$log" ] || mv "$log" "$log.1"
    nohup "$tradeengine" run "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    printf '%s\n%s\n' "$pid" "$(began "$pid" | xargs)" >"$note"
    until_ready
    say "it runs as process $pid; its API is at $(address)"
}

stop() {
    if ! find_engine; then
        rm -f "$note"
        say "it does not run"
        return
    fi
    local end=$((SECONDS + stop_seconds))
    kill -TERM "$pid"
    while find_engine; do
        [ $SECONDS -lt $end ] || fail "process $pid did not end within $stop_seconds s; \`kill -KILL $pid\` ends it as a power cut would"
        sleep 0.1
    done
    rm -f "$note"
    say "it has ended"
}

status() {
    find_engine || fail "it does not run"
    local said
    said=$(readiness)
    echo "process $pid"
    echo "API $(address)"
    echo "ready ${said#* }"
    case $said in 200*) ;; *) exit 1 ;; esac
}

logs() {
    [ -f "$log" ] || fail "it has never run: $log is not there"
    if [ $# -eq 0 ]; then set -- -n 200; fi
    tail "$@" "$log"
}

backtest() {
    mkdir -p "$folder"
    if [ $# -eq 0 ]; then
        "$tradeengine" sample "$folder/sample"
        set -- --prices "BTCUSDT=$folder/sample/BTCUSDT-1h.csv" --prices "ETHUSDT=$folder/sample/ETHUSDT-1h.csv" \
            --funding "BTCUSDT=$folder/sample/BTCUSDT-funding-8h.csv" --funding "ETHUSDT=$folder/sample/ETHUSDT-funding-8h.csv" \
            --signals "$folder/sample/signals.jsonl" --store "$folder/backtest" --result "$folder/backtest.json" \
            --taker-fee 0.0005 --maker-fee 0.0002
    fi
    "$tradeengine" simulate "$@"
}

action=${1:-}
case $action in
    start | backtest | stop | restart | status | logs) shift ;;
    --help) usage; exit 0 ;;
    *) say "${action:+unknown action: $action}"; usage >&2; exit 2 ;;
esac
if [ ! -x "$tradeengine" ]; then
    say "no $tradeengine: run \`make setup\` first"
    exit 78
fi
cd "$root"
case $action in
    restart) stop; start "$@" ;;
    *) "$action" "$@" ;;
esac
