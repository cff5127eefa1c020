# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SIZE ?= small
FORMAT ?=
# what random tests begin with: printed, so that a failure can be had again (make test SEED=...)
SEED ?= 1

.PHONY: help demo test quick mutants check docs bench clean

help:
	@echo "make demo    the main job on the embedded store: import, list, export"
	@echo "make test    all tests"
	@echo "make quick   the laws and fixtures of one format: FORMAT=name, or of all"
	@echo "make mutants break behaviours one at a time: each must be noticed (15 minutes)"
	@echo "make check   lint, format and types"
	@echo "make docs    write the pages that are made from the code"
	@echo "make bench   compare with the peers: SIZE=small (8 minutes) or SIZE=full (35)"

$(BIN)/annotary: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.tested: pyproject.toml $(BIN)/annotary
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,readers,server,remote,parquet,medical]'
	@touch $@

demo: $(BIN)/annotary
	$(BIN)/python examples/demo.py

test: $(VENV)/.tested
	@echo "random tests begin with SEED=$(SEED)"
	$(BIN)/python -m pytest -n 2 --dist loadgroup --hypothesis-seed=$(SEED)

quick: $(VENV)/.tested
	ANNOTARY_EXAMPLES=3 $(BIN)/python -m pytest -q tests/laws tests/formats/test_formats.py -k "$(FORMAT)"

mutants: $(VENV)/.tested
	$(BIN)/python -m tests.mutants

check: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.tested
	$(BIN)/python docs/make.py --all

bench: $(VENV)/.tested
	$(BIN)/python benchmarks/run.py $(SIZE)

clean:
	rm -rf $(VENV) .venv-* demo build dist
