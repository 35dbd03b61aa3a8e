.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check lint types imports import-matrix format docs fuzz bench chaos soak audit lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.run ## watch a made-up shop: purchases in, a model learnt, recommendations out (ARGS=--once ends by itself)
	@$(BIN)/alsobought demo $(ARGS)

test: $(VENV)/.dev ## every test, lanes side by side (ARGS is handed to pytest; -n0 for one after the other)
	@$(BIN)/python -m pytest -n auto --dist loadscope $(ARGS)

check: lint types imports ## style, types and import rules

lint: $(VENV)/.dev ## style
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(VENV)/.dev ## types
	@$(BIN)/mypy

imports: $(VENV)/.dev ## which folder may import which
	@$(BIN)/lint-imports

import-matrix: $(VENV)/.dev ## every format, encoding and fault of files: lines, orders, and what was left out and why
	@$(BIN)/python -m tests.import_matrix

format: $(VENV)/.dev ## put the code in its style
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

docs: $(VENV)/.dev ## write the generated pages of the documentation
	@$(BIN)/python -m serving docs

fuzz: $(VENV)/.dev ## search for input that breaks a decoder or HTTP, led by coverage (MINUTES=10; see tests/fuzz/run.py)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --quiet --only-binary=:all: atheris \
	  || { echo "atheris has no wheel for this platform and Python; tests/unit/test_rubbish.py needs none"; exit 2; }
	@$(BIN)/python -m tests.fuzz.run $(or $(MINUTES),1)

bench: $(VENV)/.dev ## our speed beside a yardstick, and which bars are met (ALSOBOUGHT_DATA names the real data; ARGS=--little)
	@$(BIN)/python -m tests.benchmarks.run $(ARGS)

chaos: $(VENV)/.dev ## kills, lost brokers, rebalances, overload and a soak, on Java brokers (MINUTES=10 in all, ARGS)
	@$(BIN)/python -m pytest tests/kafka/chaos --broker=java --require-brokers --chaos-minutes=$(or $(MINUTES),10) $(ARGS)

soak: ## the soak alone, for an hour (MINUTES=60)
	@$(MAKE) --no-print-directory chaos MINUTES=$(or $(MINUTES),60) ARGS="-k long_and_steady $(ARGS)"

audit: ## look the locked dependencies up among the known vulnerabilities; says so where it can not
	@$(PYTHON) .ci/audit requirements.lock requirements-dev.lock

lock: $(VENV)/.dev ## renew the two lock files
	@$(BIN)/pip install --quiet uv
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --group build --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet \
	  --group dev --extra evaluate --extra tune --output-file requirements-dev.lock pyproject.toml

clean: ## forget the virtual environment and the caches
	@rm -rf $(VENV) .venv-audit .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .fuzz .kafka .bench

# $(call packages,LOCK): how many packages a lock file names
packages = $(shell grep -oE '^[a-zA-Z0-9._-]+' $(1) | sort -u | wc -l)

# $(call install,LOCK,MB): a virtual environment with exactly what the lock file names, and the project itself
define install
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "alsobought needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 2; }; $(PYTHON) -m venv $(VENV); }
	@echo "installing the $(call packages,$(1)) packages of $(1) into $(VENV): about $(2) MB, fetched once"
	@tty=0; [ -t 1 ] && tty=1; set -o pipefail; \
	  $(BIN)/pip install --progress-bar off --no-color --disable-pip-version-check --require-hashes -r $(1) \
	  | awk -v total=$(call packages,$(1)) -v tty=$$tty -f .ci/pip-progress.awk
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@
endef

$(VENV)/.run: requirements.lock pyproject.toml
	$(call install,requirements.lock,140)

$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml
	$(call install,requirements-dev.lock,200)
	@touch $(VENV)/.run
