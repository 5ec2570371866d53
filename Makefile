# Two commands are all a person needs: make demo, make test. Both set everything up, in .venv, with pinned versions.
#
#   PYTHON=python3.12     another interpreter (>= 3.11)
#   TORCH=cpu|cu130|auto  another build of PyTorch (on Linux, TORCH=cpu saves gigabytes of CUDA)

PYTHON ?= python3
TORCH ?=
VENV := .venv
BIN := $(VENV)/bin
# uv does not read pip's settings: where pip gets through a proxy or a mirror, or finds local wheels, uv must, too.
# Asked for by the recipes that install alone, for pip takes a third of a second to answer.
UV = env $(shell $(PYTHON) .ci/uv_settings.py) $(BIN)/uv
# compiled at once: a process of a study, or of its tests, does not compile PyTorch anew where nothing may be written
INSTALL = $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt $(if $(TORCH),--torch-backend $(TORCH))
SOURCES := .ci bench components docs examples knockout reports search_spaces study tests

PYTEST := $(BIN)/python -m pytest -n auto -p no:benchmark

.DEFAULT_GOAL := help
.PHONY: help demo test test-all bench docs lint format ci wheel clean

help: ## list the targets; ARGS='...' hands options to pytest
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/run ## set up, then run a real ablation study on simulated data
	@$(BIN)/knockout demo

test: $(VENV)/dev ## set up, then run the tests but the slow ones: ARGS='tests/study -k ledger'
	@$(PYTEST) -m 'not slow' $(ARGS)

test-all: $(VENV)/dev ## every test: kills, clusters, a browser, simulated nulls; ARGS=--cov measures coverage
	@HYPOTHESIS_PROFILE=ci $(PYTEST) $(ARGS)

bench: $(VENV)/dev ## measure speed and overhead in a few minutes, and print one table
	@$(BIN)/python -m pytest -c bench/pytest.ini bench $(ARGS)

lint: $(VENV)/dev ## check format, lint, import contracts and types
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/mypy

docs: $(VENV)/dev ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

format: $(VENV)/dev ## format the sources, and mend what ruff can
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

ci: ## the gate, as CI runs it: lint, demo, every test
	@bash .ci/run

wheel: $(VENV)/dev ## build the wheel into dist/, and list what it holds
	@$(UV) build --quiet --wheel --python $(BIN)/python --out-dir dist .
	@$(BIN)/python -m zipfile -l dist/*.whl

clean: ## remove what make made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis demo dist site

$(VENV)/uv:
	@$(PYTHON) -c 'import sys; sys.exit("knockout needs Python 3.11 or newer; this is %d.%d (set PYTHON=...)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "this Python cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	@touch $@

$(VENV)/run: $(VENV)/uv pyproject.toml constraints.txt
	@echo "setting up .venv ..."
	@$(INSTALL) -e '.[h5ad]'
	@touch $@

$(VENV)/dev: $(VENV)/run
	@$(INSTALL) -e '.[h5ad,dev]'
	@touch $@
