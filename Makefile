# `make rl` sets everything up and runs the main job; `make test` runs the tests. The rest is convenience.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Stages and DVC call `kedro`: the environment's own comes first, activated or not.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: rl setup test lint format repro ui docs bench clean help
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

rl: setup ## run the whole job: data, SFT warm-up, SoundMind-RL, evaluation
	@$(BIN)/kedro run --pipeline=rl

setup: $(INSTALLED) ## make the environment in .venv alone

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] < (3, 13) else "Python 3.11 or 3.12 is needed, found " + sys.version.split()[0] + "; name one: make setup PYTHON=/path/to/python3.11")'
	@echo "Setting up $(VENV) (a few minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check 'pip>=25'  # the one that Python brings is several times slower
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable '.[dev,speech]'
	@touch $@

test: setup ## run the tests, in two processes
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup ## ruff, mypy and the layers of the code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## let ruff format and mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

repro: setup ## bring every stage up to date with DVC
	@$(BIN)/dvc repro

ui: setup ## open the MLflow UI on this project's runs
	@$(BIN)/soundmind ui

docs: setup ## build the documentation as a site, site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: setup ## run the benchmarks
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean: ## remove what runs have made (data, models, reports); keeps raw data, the environment and MLflow's runs
	@find data -mindepth 2 -type f ! -name .gitkeep ! -path '*/01_raw/*' -delete; find data -mindepth 2 -type d -empty -delete
	@rm -rf data/smoke .pytest_cache .mypy_cache .ruff_cache .hypothesis
