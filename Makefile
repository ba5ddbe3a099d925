# Each target brings up its own environment; nothing to install by hand but Python 3.11.

VENV := .venv
# With an NVIDIA GPU: make demo LOCK=requirements-gpu.lock
LOCK ?= requirements.lock
BIN := $(VENV)/bin
UV := $(or $(shell command -v uv),.uv/bin/uv)

# Where public data sets lie, if they lie beside the checkout; else they are fetched.
export TRAINYARD_DATA_HOME ?= $(abspath $(wildcard ../shared/data))
# Set in many images; without bytecode every start takes seconds longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint unit modules e2e parts quality bench lock clean

demo: $(VENV)/.ready  ## from embedded data to a pushed model and a report
	$(BIN)/trainyard run recipes/breast_cancer.yaml

test: lint  ## everything that CI runs; three at a time, for each waits now and then
	$(MAKE) --jobs=3 e2e modules unit parts

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.ready  ## a few minutes: no DAG, no trainer module
	$(BIN)/pytest -m "not e2e" --ignore=tests/trainer_modules

modules: $(VENV)/.ready  ## minutes: every trainer module learns something small
	$(BIN)/pytest -m "not e2e" tests/trainer_modules

e2e: $(VENV)/.ready  ## minutes: the real DAG
	$(BIN)/pytest tests/e2e

parts: $(VENV)/.ready  ## minutes: components against stock TFX, the server under fire
	$(BIN)/pytest -m e2e --ignore=tests/e2e

quality: $(VENV)/.ready  ## every recipe to its reference; writes docs/QUALITY.md
	$(BIN)/python -m benchmarks.quality

bench: $(VENV)/.ready  ## against stock TFX, an hour or so; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.speed --resume

$(VENV)/.ready: $(LOCK) pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python 3.11 $(VENV)
	VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes --compile-bytecode $(LOCK)
	VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv

lock: | $(UV)  ## after a change of dependencies
	$(UV) pip compile --quiet --generate-hashes --no-header --python-version 3.11.5 \
	  --extra dev pyproject.toml --output-file requirements.lock
	$(UV) pip compile --quiet --generate-hashes --no-header --python-version 3.11.5 \
	  --extra dev --extra gpu pyproject.toml --output-file requirements-gpu.lock

clean:
	rm -rf $(VENV) .uv trainyard_out .pytest_cache .mypy_cache .ruff_cache
