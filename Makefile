# Every target can be run again; none asks a question.
.PHONY: help setup check test lock demo demo-down e2e-env e2e-env-down bench reference
.DEFAULT_GOAL := help

BIN := .venv/bin

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: ## .venv with the console scripts, from the lock file
	@scripts/setup.sh

check: setup ## format, lint, types, import contracts, unit tests: under a minute
	@echo "== format and lint"; $(BIN)/ruff format --check . && $(BIN)/ruff check .
	@echo "== types"; $(BIN)/mypy
	@echo "== import contracts"; $(BIN)/lint-imports
	@echo "== unit tests, every branch of the pure core"; $(BIN)/python scripts/coverage.py

test: check ## everything, on a fresh machine too
	@scripts/need.sh etcd docker
	@echo "== every example of random values"; $(BIN)/pytest -q -n 3 -m hypothesis tests/unit
	@echo "== all other tests"; $(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder --ignore tests/unit tests

bench: setup ## measure against floors of the same run; a table, and bench/results.json
	@$(BIN)/python -m bench

demo: ## shows a change reach running containers, on this machine; leaves all running
	@scripts/demo.sh up

demo-down: ## takes away what the demo started, and nothing else
	@scripts/demo.sh down

e2e-env: ## start a private etcd and engine, as the tests use, and print their variables
	@scripts/e2e-env.sh up

e2e-env-down: ## stop them and take their data away
	@scripts/e2e-env.sh down

reference: ## write docs/reference anew from registries and schemas
	@$(BIN)/python -m scripts.reference

lock: ## write requirements.lock anew from pyproject.toml
	@scripts/lock.sh
