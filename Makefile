# Every target builds what it runs in if that is missing: `demo` a small .venv-demo, `bench` a .venv-bench, all others .venv. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
BIN := .venv/bin
DEMO := .venv-demo/bin
BENCH := .venv-bench/bin
FUZZ_SEED ?= $(shell date +%s)
FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help demo quick test test-wheel test-versions test-slow faults fuzz lint format bench bench-quick docs links audit build lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

define NEW_ENOUGH
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kakaclo needs Python 3.11 or newer")'
endef

.venv-demo/ready: pyproject.toml constraints.txt
	$(NEW_ENOUGH)
	$(PYTHON) -m venv .venv-demo
	$(DEMO)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt \
		--editable '.[cli]'
	touch $@

.venv/ready: pyproject.toml constraints.txt
	$(NEW_ENOUGH)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]' \
		--group test --group examples --group lint --group bench --group docs
	touch $@

.venv-bench/ready: pyproject.toml constraints.txt
	$(NEW_ENOUGH)
	$(PYTHON) -m venv .venv-bench
	$(BENCH)/pip install --quiet --upgrade 'pip>=25.1'
	$(BENCH)/pip install --quiet --constraint constraints.txt --editable '.[cli,export,fast,fleet]' --group bench
	touch $@

demo: .venv-demo/ready  ## mirror, freight, order and refund against a local KakaClo
	$(DEMO)/kakaclo demo

quick: .venv/ready  ## the tests that need no process, no server and no coverage, in minutes
	$(BIN)/pytest -q -n auto -o asyncio_debug=false -m 'not process and not long and not slow'

test: .venv/ready  ## the whole suite but the long campaigns, with its coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto -m 'not slow and not long'
	$(BIN)/pytest -n auto -o asyncio_debug=false -m 'long and not slow'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-wheel:  ## as `test`, on the wheel, as users install it
	.ci/test-wheel $(PYTHON)

test-versions:  ## the quick tests with the lowest and with the newest versions of all dependencies
	.ci/test-versions lowest $(PYTHON)
	.ci/test-versions newest $(PYTHON)

test-slow: .venv/ready  ## the long campaigns
	$(BIN)/pytest -m slow --timeout 3600

fuzz: .venv/ready  ## the property tests with many new cases, then damaged answers for FUZZ_SECONDS
	HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -n auto -m 'not slow' --timeout 1800 tests/codec tests/contract tests/core tests/fuzz tests/models tests/resources
	$(BIN)/python tests/fuzz/campaign.py --seed $(FUZZ_SEED) --seconds $(FUZZ_SECONDS)

lint: .venv/ready  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

format: .venv/ready  ## the code, as the linter wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv-bench/ready  ## every benchmark beside its rivals; writes benchmarks/RESULTS.md, results.json and plots
	$(BENCH)/python benchmarks/run.py

bench-quick: .venv-bench/ready  ## the same in small, in under two minutes; fails when a ratio falls behind its bar
	$(BENCH)/python benchmarks/run.py --quick

faults: .venv/ready  ## every operation meets every fault of the network; writes docs/reference/faults.md
	$(BIN)/pytest -q -n auto -o asyncio_debug=false tests/faults --write-faults

docs: .venv/ready  ## the documentation, into site/, with its links checked
	rm -rf site
	$(BIN)/sphinx-build -W --keep-going -q -b html docs site
	KAKACLO_SITE=site $(BIN)/pytest -q -n 0 tests/docs/test_site.py

links: .venv/ready  ## ask every address that the documentation names; needs a network
	$(BIN)/sphinx-build -q -b linkcheck docs site/.links

audit: .venv/ready  ## known vulnerabilities of the pinned versions; needs PyPI's advisories
	$(BIN)/uvx --quiet pip-audit@2.10.1 --strict --no-deps --disable-pip --requirement constraints.txt

build: .venv/ready  ## the wheel and the source package, into dist/
	$(BIN)/pip install --quiet build && $(BIN)/python -m build

lock: .venv/ready  ## write down the versions that .venv holds now
	$(BIN)/pip freeze --exclude-editable > constraints.txt

clean:  ## remove whatever these targets make
	rm -rf .venv .venv-demo .venv-bench site dist build htmlcov .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
