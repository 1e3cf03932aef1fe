# `make run` talks, `make test` checks, `make bench` measures for an hour. Each sets
# everything up first.
#
#   PYTHON=python3.13   another interpreter (default: the newest of 3.11 and later)
#   VENV=DIR            another virtual environment (default: .venv)
#   CONFIG=FILE         another configuration (default: config.toml)

VENV ?= .venv
CONFIG ?= config.toml
BIN = $(VENV)/bin

.PHONY: setup run test bench format clean

setup: $(VENV)/.installed

run: setup
	$(BIN)/trioagent --config $(CONFIG)

test: $(VENV)/.installed-dev
	tools/check $(BIN)

bench: $(VENV)/.installed-dev
	$(BIN)/python -m bench

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed: pyproject.toml tools/setup
	tools/setup $(VENV) run
	touch $@

$(VENV)/.installed-dev: pyproject.toml tools/setup
	tools/setup $(VENV) dev
	touch $@ $(VENV)/.installed
