# make run [CONTACTS=file.csv]   dial a file on the simulated carrier and write report.csv
# make serve [PORT=8000]         the pages and the HTTP API, with a worker, on 127.0.0.1
# make test                      all tests;  make lint: format, types, import direction
# make nightly [SEEDS=5000] [SCALE=20]   thousands of simulated campaigns, and as many times longer a state machine
# make bench [ONLY="refill fast"] [TABLE=docs/performance.md]   benchmarks as JSON lines, and as the table of a page
# make pictures                  the pictures of the pages in docs/pictures

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
CONTACTS ?= examples/contacts.csv
PORT ?= 8000
ONLY ?=
TABLE ?=
SEEDS ?= 5000
SCALE ?= 20
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder
CLIENTS := vapi-3 vapi-1 dialnexa sippy

# Where it is set, each of the hundreds of commands that tests run compiles the whole package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup run serve test installed nightly lint bench pictures

setup: $(VENV)/.core

run: setup
ifeq ($(origin CONTACTS), file)
	$(BIN)/dialplane run $(CONTACTS) --agent examples/reminder.yaml --retry-delay 2s --report report.csv
else
	$(BIN)/dialplane run $(CONTACTS) --retry-delay 2s --report report.csv
endif

serve: setup
	exec $(BIN)/dialplane serve --port $(PORT)

test: installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(SIDE_BY_SIDE) -n 2 tests/chaos
	$(BIN)/pytest $(SIDE_BY_SIDE) -n 4 --ignore tests/chaos

# All that tests need, side by side where make gets --jobs.
installed: $(VENV)/.test $(CLIENTS:%=$(VENV)/clients/%/.made)

# Seed by seed, and not file by file as above: all processes have work until the end.
nightly: $(VENV)/.test
	DIALPLANE_SIMULATION_SEEDS=$(SEEDS) DIALPLANE_SIMULATION_SCALE=$(SCALE) $(BIN)/pytest -n auto tests/simulation

bench: setup
	$(BIN)/python -m benchmarks $(if $(TABLE),--table $(TABLE)) $(ONLY)

pictures: $(VENV)/.test
	$(BIN)/python tests/web/pictures.py

lint: $(VENV)/.test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Dialplane needs Python 3.11 or later; set PYTHON=python3.12 or the like")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt -e .
	touch $@

$(VENV)/.test: $(VENV)/.core
	$(PIP) -c constraints.txt -e '.[test]'
	$(PIP) -c constraints.txt -e '.[sip,voice,flac]' || echo "sip, voice and flac could not be installed: their tests are skipped"
	touch $@

# Other products' own clients, for the tests of their contracts, and another SIP stack that is called: each in an
# environment of its own, for they want other libraries than the server has. Those that cannot be downloaded are skipped
# by name.
vpath %.txt tests/api/clients tests/sip
$(VENV)/clients/%/.made: %.txt | $(VENV)/.core
	rm -rf $(@D)
	$(BIN)/python -m venv $(@D)
	if $(@D)/bin/pip install --quiet --disable-pip-version-check -r $<; then touch $@; \
	else rm -rf $(@D); echo "$* could not be installed: its tests are skipped"; fi
