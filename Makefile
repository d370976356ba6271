# Everything a newcomer runs. `make` alone lists the targets.
PYTHON ?= python3
DEMO   ?= var/demo

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/installed
CONFIG := $(abspath $(DEMO))/retention.yaml

SHELL         := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-17s %s\n", $$1, $$2 }'

.PHONY: env
env: $(STAMP) ## create .venv with the versions of requirements.lock

# Made anew only where Python is missing; installed again where the lock or the project changed.
# `--no-build-isolation` keeps the build tools to those in the lock.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: $(PYTHON) is missing or older than Python 3.11; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
	  exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: $(CONFIG) ## make 10,000 people in three systems, run the day, answer requests, publish statistics
	RETENTION_CONFIG=$(CONFIG) $(BIN)/retention run
	RETENTION_CONFIG=$(CONFIG) $(BIN)/retention request take-in
	RETENTION_CONFIG=$(CONFIG) $(BIN)/retention request process --all
	RETENTION_CONFIG=$(CONFIG) $(BIN)/retention request list --all
	RETENTION_CONFIG=$(CONFIG) $(BIN)/retention statistics publish

$(CONFIG): | $(STAMP)
	$(BIN)/retention demo $(DEMO)

.PHONY: ui
ui: $(CONFIG) ## open Dagster's pages on the demonstration
	@mkdir -p $(dir $(CONFIG))dagster
	@test -f $(dir $(CONFIG))dagster/dagster.yaml || cp dagster.yaml $(dir $(CONFIG))dagster/
	DAGSTER_HOME=$(dir $(CONFIG))dagster RETENTION_CONFIG=$(CONFIG) $(BIN)/dagster dev -w workspace.yaml

.PHONY: test
test: lint types unit ## everything that continuous integration checks

.PHONY: lint
lint: $(STAMP) ## ruff, its format, and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

.PHONY: types
types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

.PHONY: unit
unit: $(STAMP) ## the tests
	$(BIN)/python -m pytest

.PHONY: sweeps
sweeps: $(STAMP) ## the property tests at length (some minutes)
	HYPOTHESIS_PROFILE=sweep $(BIN)/python -m pytest --timeout 3600 -m "hypothesis or slow"

.PHONY: crash-matrix
crash-matrix: $(STAMP) ## stop a run at every statement, once and twice, and run it again (an hour)
	$(BIN)/python benchmarks/crash_matrix.py --every --minutes 60

.PHONY: bench-anonymizers
bench-anonymizers: $(STAMP) ## the recodings and a peer side by side: ADULT=FILE HIERARCHIES=DIR
	$(BIN)/python -m benchmarks.anonymizers_table --adult $(ADULT) --hierarchies $(HIERARCHIES)

.PHONY: clean
clean: ## remove the demonstration and the tools' caches; .venv stays
	rm -rf var/demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
