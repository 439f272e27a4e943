PYTHON ?= python3
PYTEST_ARGS ?=
WORKERS ?= 4
BENCH_ARGS ?=
MUTANTS_ARGS ?=
CAMPAIGN_ARGS ?=
CRASHES_ARGS ?=
CHAOS_ARGS ?=
SEEDS ?= 20000
SIMULATE_ARGS ?=
# Names packages to move: make lock UPGRADE="--upgrade-package ruff"; everything: make lock UPGRADE=--upgrade
UPGRADE ?=

VENV := .venv
BIN := $(VENV)/bin
DEPENDENCIES := $(VENV)/.dependencies
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/pip --quiet --no-input --disable-pip-version-check
COMPILE := .lock-venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links $(UPGRADE) --extra embedded pyproject.toml

export PIP_ROOT_USER_ACTION := ignore
# Without bytecode each of the tests' processes compiles what it imports, and each worker all tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run run-sim test lint format bench mutants campaign simulate crashes outages chaos k8s \
	observability test-kubernetes schemas lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## make .venv with the locked dependencies (the other targets call it)

$(DEPENDENCIES): requirements/dev.txt
	@scripts/create_venv.sh $(PYTHON) $(VENV)
	@echo "setup: installing the locked dependencies (about a minute)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.txt
	@touch $@

$(INSTALLED): $(DEPENDENCIES) pyproject.toml
	@echo "setup: installing tradeengine"
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
	@echo "setup: done"

run: setup ## start the engine with demonstration strategies on generated prices
	@$(BIN)/tradeengine run --demo

# Many tests wait for servers and clocks, so there are more workers than processors; the order is tests/support/order.py.
test: lint ## all checks and all tests, on real servers
	@scripts/services install
	@scripts/services run $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: setup ## style, types, import arrows, purity of the domain
	@echo "lint: ruff"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@echo "lint: purity"
	@$(BIN)/python scripts/lint_purity.py
	@echo "lint: import-linter"
	@$(BIN)/lint-imports --no-logo > $(VENV)/import-linter.txt || { cat $(VENV)/import-linter.txt; exit 1; }
	@echo "lint: mypy"
	@$(BIN)/mypy --no-error-summary

format: setup ## put the code into its standard form
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

run-sim: setup ## the same, with orders that go over the wire to a simulated exchange
	@$(BIN)/tradeengine run --demo --exchange

bench: setup ## measure; BENCH_ARGS goes to the benchmark runner
	@$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

mutants: setup ## take safeties out of a copy, one at a time: tests must notice each; MUTANTS_ARGS names some
	@$(BIN)/python -m tests.mutants $(MUTANTS_ARGS)

campaign: setup ## random order flow, books against account after every step; CAMPAIGN_ARGS such as --examples 100
	@$(BIN)/python -m tests.campaigns $(CAMPAIGN_ARGS)

simulate: setup ## the whole system under one seed, pods killed, frozen and cut off: SEEDS=20000; SIMULATE_ARGS such as --show 7
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) $(SIMULATE_ARGS)

crashes: setup ## a crash before and after every command of the whole path; CRASHES_ARGS such as --script short
	@scripts/services install
	@scripts/services run $(BIN)/python -m tests.crashes $(CRASHES_ARGS)

outages: setup ## servers killed, silent and full for minutes: the long forms that make test leaves out
	@scripts/services install
	@scripts/services run $(BIN)/pytest -m long $(PYTEST_ARGS)

chaos: setup ## three pods, every server and link killed, frozen, cut and slowed; CHAOS_ARGS such as --minutes 2 --seed 7
	@scripts/services install
	@$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

k8s: setup ## render the plain manifests of k8s/ from the chart
	@$(BIN)/python -m scripts.kubernetes

observability: setup ## make docs/metrics.md and the chart's dashboards anew from the code
	@$(BIN)/python -m scripts.observability

test-kubernetes: setup ## image, chart, manifests and scripts, on a real API server too (programs are built when they are missing)
	@scripts/services install
	@KUBERNETES_TESTS=all scripts/services run $(BIN)/pytest -m "long or not long" tests/kubernetes $(PYTEST_ARGS)

schemas: setup ## export the JSON Schemas of the contracts to docs/schemas
	@$(BIN)/python -m contracts.export docs/schemas

lock: ## resolve the dependencies of pyproject.toml again, with hashes
	@scripts/create_venv.sh $(PYTHON) .lock-venv
	@.lock-venv/bin/pip --quiet --disable-pip-version-check install uv==0.13.9
	@$(COMPILE) --group dev -o requirements/dev.txt
	@$(COMPILE) -c requirements/dev.txt -o requirements/runtime.txt

clean: ## remove the environment, caches and build products; ends what scripts/services up has started
	@[ ! -e .services/state.json ] || scripts/services down
	@rm -rf .services $(VENV) .lock-venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
