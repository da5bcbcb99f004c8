# Everything sets itself up: a virtual environment in .venv, made again only when pyproject.toml or the lock changes.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

.PHONY: demo demo-refine test pytest lint bench docs clean

demo: .venv/.base  ## the main job on the built-in sample
	$(BIN)/gingham sample --project demo
	$(BIN)/gingham run --project demo

demo-refine: .venv/.train  ## the same with a network that is trained on the sample, and the two side by side
	$(BIN)/gingham sample --project demo
	$(BIN)/gingham run --project demo
	$(BIN)/gingham run --project demo --classifier dnn
	$(BIN)/gingham runs compare --project demo

test: .venv/.dev  ## every check and every test that this machine can run
	$(MAKE) --jobs=2 lint pytest

pytest: .venv/.dev
	$(BIN)/python -m pytest -n 3 --dist worksteal

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.dev  ## ratios against named alternatives; writes benchmarks/RESULTS.md
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m benchmarks

docs: .venv/.base  ## the pages that are generated from the code
	$(BIN)/python -m docs.generate

clean:
	rm -rf .venv demo build dist

.venv/.base: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(PIP) --editable .
	touch $@

.venv/.train: .venv/.base
	$(PIP) --editable ".[train]"
	touch $@

.venv/.dev: .venv/.base
	$(PIP) --no-compile --editable ".[train,mlflow,tune]" --group dev --group bench
	./tools/browser
	touch $@
