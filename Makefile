# make run: a whole relay on this machine. make test: everything that must hold. The rest is below.
PYTHON ?= python3
CONFIG ?= examples/quickstart.toml
BIN := .venv/bin

.PHONY: help setup setup-dev run demo check lint types fast live browser screenshots test crash power fuzz hostile bench docs site messages lock audit sbom clean

help:           ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

setup: .venv/.installed        ## .venv from the lock file, checked by hash

# The stamps are newer than the locks when nothing has to be done. The project itself needs no network.
.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

setup-dev: .venv/.installed-dev

.venv/.installed-dev: requirements-dev.lock .venv/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

run: setup      ## the relay of examples/quickstart.toml, in the foreground
	$(BIN)/staffetta serve --config $(CONFIG)

demo: setup     ## the whole story on loopback: device, relay, connectors, mailbox, outside, hops
	$(BIN)/staffetta demo

lint: setup-dev         ## ruff: rules and layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev        ## mypy, strict
	$(BIN)/mypy

fast: setup-dev         ## tests without other programs: seconds
	$(BIN)/pytest -q -n auto --dist loadfile -m "not live and not crash and not browser"

live: setup-dev         ## tests against real peers; a missing one is skipped, with the reason
	$(BIN)/pytest -q -m live

browser: setup-dev      ## tests of the console with Chromium and axe; a missing one is skipped, with the reason
	$(BIN)/pytest -q -m browser

screenshots: setup-dev  ## every page of the console to var/screenshots, to be looked at
	$(BIN)/python -m tests.browser.screenshots

test: lint types fast live browser      ## all of it; kills the relay 20 times
	$(BIN)/pytest -q -m crash

crash: setup-dev        ## the long form: 200 kills at random, and one at every call; KILLS=2000 for more
	STAFFETTA_KILLS=$(KILLS) $(BIN)/pytest -q -m crash

KILLS ?= 200

power: setup-dev        ## power cuts: 500 recorded runs of the spool, each cut after every call; LOGS=20 for fewer
	STAFFETTA_POWER_LOGS=$(LOGS) STAFFETTA_POWER_IMAGES=1000000 $(BIN)/pytest -q -n auto tests/crash/test_power_cut.py

LOGS ?= 500

fuzz: setup-dev         ## every parser of hostile input, ten minutes each; what is found is in var/fuzz
	mkdir -p var/fuzz
	for target in $$($(BIN)/python -m tests.fuzz); do mkdir -p var/fuzz/$$target && $(BIN)/python -m tests.fuzz $$target \
	  var/fuzz/$$target tests/fuzz/corpus/$$target -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=var/fuzz/ || exit 1; done

FUZZ_SECONDS ?= 600

hostile: setup-dev      ## every attack against our relay and Postfix, as a table
	$(BIN)/python -m tests.hostile

bench: setup-dev        ## our relay and Postfix in turn, as ratios; pages of the console over a long trace
	$(BIN)/python bench/run.py
	$(BIN)/python -m bench.console --messages 200000 --rounds 5

docs: setup             ## write the generated pages again
	$(BIN)/python -m docs.generate

site: build/site-tools/.installed       ## docs/ as a web site in build/site
	build/site-tools/bin/mkdocs build --quiet --clean

build/site-tools/.installed: requirements-site.lock
	$(PYTHON) -m venv build/site-tools
	build/site-tools/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-site.lock
	touch $@

messages: setup ## gather the console's texts; translate what is new in staffetta/admin/web/locale
	$(BIN)/python -m docs.messages

lock:           ## write the lock files again from pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile pyproject.toml --group build $(COMPILE) --output-file requirements.lock
	build/lock/bin/uv pip compile pyproject.toml --group build --group dev --constraint requirements.lock \
	  $(COMPILE) --output-file requirements-dev.lock
	build/lock/bin/uv pip compile --group site $(COMPILE) --output-file requirements-site.lock

COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make lock"

audit: setup-dev        ## known holes in what we depend on, as far as the package index can be asked
	$(BIN)/python -m tests.dependencies audit

sbom: setup-dev         ## what we depend on, as a list for programs (CycloneDX): build/sbom.cdx.json
	$(BIN)/python -m tests.dependencies sbom build/sbom.cdx.json

clean:          ## forget the virtual environment and the quickstart's data
	rm -rf .venv var build
