# Every target builds .venv by itself if it is missing. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
BIN := .venv/bin
PACKAGES := kakaclo_async kakaclo_sync

.PHONY: demo test test-slow fuzz lint format bench docs build lock clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kakaclo needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]' \
		--group test --group lint --group bench --group docs
	touch $@

demo: .venv/ready  ## mirror, freight, order and refund against a local KakaClo
	$(BIN)/kakaclo demo

test: .venv/ready  ## the fast suite with its coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto -m 'not slow'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-slow: .venv/ready  ## the long campaigns
	$(BIN)/pytest -m slow --timeout 3600

fuzz: .venv/ready  ## the property tests with many new cases
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -n auto -m 'not slow' --timeout 1800 tests/codec tests/core tests/models tests/resources

lint: .venv/ready  ## style, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/pytest -q -p no:cacheprovider tests/project

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/ready  ## every benchmark; each prints its table and fails when it misses a bar
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

docs: .venv/ready  ## the documentation, into site/
	$(BIN)/mkdocs build --strict --quiet

build: .venv/ready
	$(BIN)/pip install --quiet build && $(BIN)/python -m build

lock: .venv/ready  ## write down the versions that .venv holds now
	$(BIN)/pip freeze --exclude-editable > constraints.txt

clean:
	rm -rf .venv site dist build htmlcov .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
