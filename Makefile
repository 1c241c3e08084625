# Two commands: `make run` and `make test`. Needs Python >= 3.11 with venv, and make; everything else is brought.
SHELL := /bin/bash
.DEFAULT_GOAL := help

UV_VERSION := 0.13.8
CACHE := $(or $(EARWITNESS_CACHE),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME)/earwitness,$(HOME)/.cache/earwitness))
VENV := .venv
STAMP := $(VENV)/.set-up-for
BIN := $(VENV)/bin

# Bytecode is kept, and away from the sources: without it each of a run's many processes compiles all that it imports anew.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.bytecode
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test quick check setup doctor docs clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

# make's own status is 2 for every failure and prints the command's ("Error 3"); a machine that needs to tell FAIL from
# NO_DATA calls .venv/bin/earwitness run itself after `make setup`
run: setup  ## set up, run the fast suite in the browser lane, write the report (ARGS="--user bot" adds options)
	@$(BIN)/earwitness run $(ARGS)

test: setup  ## set up, check, run all tests (ARGS="-k name" adds options)
	@$(MAKE) --no-print-directory check
	@bash scripts/test.sh $(ARGS)

quick: setup  ## the tests that make no call and take no seconds (ARGS as for test)
	@bash scripts/test.sh --quick $(ARGS)

check: setup  ## format, lint, types, import rule, documentation
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m scripts.docs_site --check

setup:  ## provide everything a run needs; a second call only checks
	@CACHE="$(CACHE)" UV_VERSION="$(UV_VERSION)" bash scripts/setup.sh

docs: setup  ## build the documentation as a site, with the reference from the code (site/index.html)
	@$(BIN)/python -m scripts.docs_site

doctor: setup  ## show what is here, and what to do
	@$(BIN)/earwitness doctor

clean:  ## remove the environment and what tools left; runs/ and the cache stay
	@rm -rf $(VENV) .bytecode site .pytest_cache .mypy_cache .ruff_cache .hypothesis
