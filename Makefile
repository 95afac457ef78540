# make run                  the digits experiments, offline, in a few minutes
# make run DATA_DIR=DIR     the Stanford Dogs study: control, fine-tuning with Adam and AMSGrad, from scratch
# make bench                speed against stock Keras and, where they are installed, PyTorch and ONNX Runtime
# make demo                 a site that names digits, with a network that it trains first, in about a minute
# make demo MODEL=FILE      the same with a network of your own
# make test                 format, lint, types, tests
# make test PYTHON=PYTHON   the same on another Python, in a virtual environment of its own
# make test-slow            the tests in a browser, those that take long and those that try many inputs
# make test-real            the tests that need real photos and weights (see below)
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
else
VENV ?= .venv-$(shell '$(PYTHON)' -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
endif
BIN := $(VENV)/bin
TOGETHER := --numprocesses auto --maxprocesses 4 --dist loadfile
PYTEST = $(BIN)/python -m pytest -m "not (real_data or slow or browser or fuzz)" $(TOGETHER)
OUT ?= results
WEIGHTS ?= imagenet
RUN_OPTIONS ?=
DATA_DIR ?=
DEMO ?= build/demo
MODEL ?= $(DEMO)/models/digits_scratch_adam_seed0.keras
SERVE_OPTIONS ?=

DIGITS := digits_scratch_adam digits_scratch_amsgrad
FINE := fine_tuning_adam fine_tuning_amsgrad
comma := ,
empty :=
space := $(empty) $(empty)

.DEFAULT_GOAL := help
.PHONY: help setup run bench demo test pytest test-slow test-real format clean

help:
	@sed -n '/^# make /s/^# //p' Makefile

setup: $(BIN)/.ready

$(BIN)/.ready: pyproject.toml
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "'$(PYTHON)' is no Python 3.11 or newer; install one, or name it: make PYTHON=/path/to/python"; exit 2; }
	@'$(PYTHON)' -m venv $(VENV) || { echo "cannot make a virtual environment; on Debian: apt install python3-venv"; exit 2; }
	@echo "Installing into $(VENV); the first time takes a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: setup
ifeq ($(strip $(DATA_DIR)),)
	$(BIN)/python scripts/run.py --seeds 0,1,2 --out '$(OUT)' $(RUN_OPTIONS)
	$(BIN)/python scripts/compare.py $(DIGITS) --out '$(OUT)'
	$(BIN)/python scripts/report.py --exp $(subst $(space),$(comma),$(DIGITS)) --out '$(OUT)'
else
	$(BIN)/python scripts/study.py --exp zero_training,$(subst $(space),$(comma),$(FINE)) --data-dir '$(DATA_DIR)' --weights '$(WEIGHTS)' --out '$(OUT)'
	$(BIN)/python scripts/study.py --exp scratch_adam --seeds 0 --data-dir '$(DATA_DIR)' --out '$(OUT)'
	$(BIN)/python scripts/report.py --out '$(OUT)'
endif

bench: setup
	$(BIN)/python scripts/bench.py

demo: setup $(MODEL)
	$(BIN)/python scripts/serve.py --model '$(MODEL)' --data '$(DEMO)/data' $(SERVE_OPTIONS)

$(DEMO)/models/digits_scratch_adam_seed0.keras: | setup
	@echo "Training a small network on digits, about a minute"
	$(BIN)/python scripts/run.py --exp digits_scratch_adam --seeds 0 --out '$(DEMO)'

test: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(PYTEST)

# The tests alone.
pytest: setup
	$(PYTEST)

# Those in a browser need Chromium, and npm for axe-core; without them they are skipped and say so.
AXE := build/browser/node_modules/axe-core/axe.min.js

test-slow: setup
	@test -e $(AXE) || npm install --silent --no-save --prefix build/browser axe-core@4 || \
		echo "no axe-core from npm: accessibility is not tested"
	$(BIN)/python -m pytest -m "(slow or browser or fuzz) and not real_data" $(TOGETHER)

# With KERASQUEEZE_TEST_DATA and KERASQUEEZE_TEST_WEIGHTS set to folders of real photos and weights.
test-real: setup
	$(BIN)/python -m pytest -m real_data

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-* .pytest_cache .ruff_cache
