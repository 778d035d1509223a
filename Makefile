# Every chore is one target; `make` lists them. The environment is made, and made anew, when pyproject.toml changes.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
# One more than there are cores: some tests wait for timers, but most of the time every core is busy, and what runs
# beside more of them measures the machine.
JOBS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
ARGS ?=
COMPOSE ?= docker compose
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$each" && break; done)

GATEWAY_TESTS = $(sort $(wildcard tests/unit/gateway tests/*/*gateway*) $(wildcard tests/contract/*queue* tests/contract/*limit*))
WORKER_TESTS = $(sort $(wildcard tests/unit/worker tests/*/*worker* tests/*/*provider* tests/providers) \
	$(wildcard tests/contract/*queue* tests/contract/*store*))

.PHONY: help dev test test-again test-a test-b check unit bench build up down logs logs-a logs-b lint fmt docs site screenshots chaos clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing (Debian: apt install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.runtime: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@ $(VENV)/.runtime

dev: $(VENV)/.runtime ## run everything in one process on one SQLite file
	$(BIN)/smsgw dev $(ARGS)

test: $(VENV)/.dev ## run every test
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-again: ## run alone what failed in the last `make test`, if it was little: what passes now failed for want of a core
	$(BIN)/python -m tests.again $(ARGS)

test-a: $(VENV)/.dev ## run the gateway's tests
	$(BIN)/pytest $(GATEWAY_TESTS) $(ARGS)

test-b: $(VENV)/.dev ## run the worker's tests
	$(BIN)/pytest $(WORKER_TESTS) $(ARGS)

check: $(VENV)/.dev ## lint and unit tests side by side, in seconds
	@$(MAKE) --no-print-directory --jobs 2 lint unit

unit: $(VENV)/.dev ## unit tests only
	$(BIN)/pytest tests/unit -q $(ARGS)

lint: $(VENV)/.dev ## formatting, ruff, mypy --strict, the architecture
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.dev ## format the code and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(VENV)/.dev ## write the generated reference pages anew
	$(BIN)/python docs/generate.py

site: $(VENV)/.dev ## build the documentation as a site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

screenshots: $(VENV)/.dev ## take pictures of the console, and renew those that the docs show (needs chromium)
	SMSGW_SCREENSHOTS=artefacts/screenshots $(BIN)/pytest -q -n 0 tests/browser/test_pages.py -k "operator or phone"
	cp artefacts/screenshots/dashboard.png docs/how-to/console-dashboard.png
	cp artefacts/screenshots/message.png docs/how-to/console-message.png

bench: $(VENV)/.dev ## measure the production set beside the reference (about ten minutes; ARGS="--save name")
	$(BIN)/python bench/run.py $(ARGS)

chaos: $(VENV)/.dev ## break everything on purpose for a minute and check the books (ARGS="--seed 7")
	$(BIN)/python -m tests.chaos $(ARGS)

build: $(VENV)/.made ## build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

up: ## build the image and start the whole set with Docker
	$(COMPOSE) up --build --detach

down: ## stop it; data stays in its volumes
	$(COMPOSE) down

logs: ## follow all logs
	$(COMPOSE) logs --follow

logs-a: ## follow the gateway's logs
	$(COMPOSE) logs --follow gateway

logs-b: ## follow the worker's logs
	$(COMPOSE) logs --follow worker

clean: ## remove the environment and everything built
	rm -rf $(VENV) dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
