# Two commands matter: `make demo` and `make test`. Each sets up `.venv` first when needed.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
# Installs need no network beyond the package index the machine's pip already uses. uv takes a fifth of pip's time.
READY := .venv/.ready
# Where this is set, each process compiles a thousand modules anew, and the tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo serve env image test dialects dashboards dashboards-check pictures lint types bench chaos lock clean

help: ## list these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Name another one: make PYTHON=python3.12"; exit 2; }
	@echo "==> creating .venv ($$($(PYTHON) --version))"
	@$(PYTHON) -m venv .venv
	@echo "==> installing the locked dependencies (a few hundred MB the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --upgrade 'pip>=26' uv
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements.lock || { \
	  echo "==> with pip instead, whose settings uv does not read"; \
	  $(BIN)/python -m pip install --no-compile --progress-bar on --require-hashes -r requirements.lock \
	    | sed -u -e "/^Requirement already satisfied/d" -e "/^Ignoring /d" -e "/^Looking in links/d"; }
	@echo "==> installing otel-interactions"
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

setup: $(READY) ## create .venv and install the locked dependencies

demo: $(READY) ## record real sessions through the SDK into an embedded ClickHouse and read them back
	@$(BIN)/otel-interactions demo

serve: $(READY) ## keep a collector running until Ctrl-C (data in .data)
	@$(BIN)/otel-interactions serve --data-dir .data

# Written elsewhere first and then linked: a half-written .env, or somebody else's, never takes its place.
env: ## write .env for Docker Compose, with passwords and keys of its own
	@set -e; umask 077; \
	  if [ -e .env ]; then echo ".env is there already, and stays as it is"; exit 0; fi; \
	  digits() { od -An -v -tx1 -N "$$1" /dev/urandom | tr -d ' \n'; }; \
	  new=$$(mktemp .env.XXXXXX); trap 'rm -f "$$new"' EXIT; \
	  while IFS= read -r line; do \
	    case "$$line" in \
	      [A-Z]*"=<password>") echo "$${line%%=*}=$$(digits 24)";; \
	      [A-Z]*"=<key>") echo "$${line%%=*}=oti_$$(digits 4)_$$(digits 32)";; \
	      *) printf '%s\n' "$$line";; \
	    esac; \
	  done < .env.example > "$$new"; \
	  ln "$$new" .env; \
	  echo ".env is written: passwords, keys, ports. Next: docker compose up --wait"

image: $(READY) ## run the steps of the Dockerfile in a folder, without Docker (500 MB the first time), and store an interaction
	@IMAGE_STEPS=all $(BIN)/python -m pytest -n 0 -q tests/deploy/test_dockerfile.py

# Two processes a core of a small machine: tests wait for others much of the time. In the order of the folders: by number of
# tests, the few that take longest would come last, one process idle.
test: $(READY) ## run the test suite
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

dialects: $(READY) ## test every dialect of GenAI telemetry, with its frameworks (500 MB the first time)
	@DIALECTS=all $(BIN)/python -m pytest -n 0 tests/dialects

dashboards: $(READY) ## write Grafana's boards and alert rules anew from dashboards/
	@$(BIN)/python -m dashboards build

dashboards-check: $(READY) ## ask every query of Grafana's boards of a running collector (ARGS="--url http://127.0.0.1:8123")
	@$(BIN)/python -m dashboards check $(ARGS)

pictures: $(READY) ## draw what Grafana's boards show over demo data, for README (ARGS="--board Voice", "--url http://…")
	@$(BIN)/python -m dashboards.pictures $(ARGS)

lint: $(READY) ## check style, formatting and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: $(READY) ## check types strictly
	@$(BIN)/mypy

bench: $(READY) ## measure the cost beside Rotel, the sustained rate, and an interaction (BENCH_PARTS, BENCH_SIZE=small, ARGS=--help)
	@PYTHONPATH=.:tests/support $(BIN)/python tests/benchmarks/bench.py $(ARGS)

chaos: $(READY) ## kill, cut power, damage, slow and fuzz the collector for an hour (CHAOS_SECONDS), then count
	@PYTHONPATH=tests/support $(BIN)/python tests/crash/chaos.py --seconds $${CHAOS_SECONDS:-3600}
	@CHAOS_ROUNDS=8 FUZZ_BODIES=1000 $(BIN)/python -m pytest -q tests/crash tests/collector/erasure tests/collector/receive/test_wire.py tests/collector/receive/test_otlp_json.py

lock: $(READY) ## write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --extra dev \
	  --upgrade pyproject.toml --output-file requirements.lock

clean: ## remove .venv and every cache
	@rm -rf .venv .cache .data .mypy_cache .ruff_cache .pytest_cache .hypothesis
