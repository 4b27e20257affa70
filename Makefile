# `make help` lists the verbs; most call `rayline`. The environment takes any Python that pyproject.toml
# allows; the image's own Python stays 3.11, and so does the one that the engine is tested with.
PYTHON ?= python3
ENGINE_PYTHON ?= $(or $(shell command -v python3.11),$(PYTHON))
VENV := .venv
RUN := $(VENV)/bin/python
STACK ?= local
# Settings, also as `make sandbox RAYLINE_REGISTRY_PORT=5001`: see docs/guide/sandbox.md.
export RAYLINE_REGISTRY_PORT RAYLINE_NETWORK RAYLINE_GPUS RAYLINE_GPU_TAINT RAYLINE_ENFORCE_POLICIES RAYLINE_CACHE
# RAYLINE_RECORD=1 writes what tests measure to docs/reference/measured.json.
export RAYLINE_RECORD

.DEFAULT_GOAL := help
.PHONY: help setup tools sandbox sandbox-status sandbox-env sandbox-down up down pulumi test test-fast test-long test-faults soak test-theirs test-engine bench-app lint lock docs docs-serve

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.installed ## create the Python environment in .venv

# Also where the Python that .venv links to was uninstalled.
$(VENV)/.installed: requirements/dev.txt pyproject.toml $(if $(shell test -x $(RUN) && echo yes),,no-python)
	@$(PYTHON) requirements/python_version.py "make setup PYTHON=" 3.11 3.12 3.13
	@echo "  Python environment: .venv"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

no-python:

tools: setup ## find, download or build every binary (a build takes about 20 minutes on 2 cores, once)
	@$(RUN) -m sandbox tools

sandbox: setup ## start a real one-node Kubernetes, registry and BuildKit (needs root)
	@$(RUN) -m sandbox up

sandbox-status: setup ## print one line per component, and the kubeconfig to export
	@$(RUN) -m sandbox status

sandbox-env: setup ## print variables for a shell: eval "$(make -s sandbox-env)"
	@$(RUN) -m sandbox env

sandbox-down: setup ## stop it and remove what it added to the machine; PURGE=1 removes its image stores too
	@$(RUN) -m sandbox down $(if $(PURGE),--purge)

ifeq ($(STACK),local)
up: sandbox ## go from nothing to a chat answer; with STACK=dev, run `pulumi up` on that stack
	@$(RUN) -m sandbox deploy

down: sandbox-down ## undo `make up`
else
up: setup
	@eval "$$($(VENV)/bin/rayline env)" && PATH="$(CURDIR)/.bin:$$PATH" pulumi up --stack $(STACK)

down: setup
	@eval "$$($(VENV)/bin/rayline env)" && PATH="$(CURDIR)/.bin:$$PATH" pulumi destroy --stack $(STACK)
endif

pulumi: setup ## run Pulumi on the stack local: make pulumi DO='preview --diff'
	@$(RUN) -m sandbox pulumi $(DO)

# A worker may have an API server and a Pulumi of its own: 1 GB.
PARALLEL := --numprocesses logical --maxprocesses 8 --dist worksteal

test: tools ## run the fast tests, then the sandbox and rayline end to end (needs root)
	@$(RUN) -m pytest $(PARALLEL) -m "(not cluster or engine) and not long"
	@$(RUN) -m pytest -m "cluster and not engine and not long"

test-fast: setup ## run the tests that need no root, network or sandbox, in minutes
	@$(RUN) -m pytest $(PARALLEL) -m "not cluster"

test-long: tools ## kill `up` at ten moments of a deployment and of a change, then replace all that can be replaced
	@RAYLINE_KILLS=$(KILLS) $(RUN) -m pytest -m long

# What the loss of the head costs is measured by the main job's tests, with a deployment of their own.
HEAD_TESTS := $(addprefix tests/cluster/main_job/test_,head.py lost_head.py)

test-faults: tools ## kill each part under streams, the head, and `up` at twenty moments: what a client saw
	@$(RUN) -m pytest tests/cluster/faults $(HEAD_TESTS)
	@RAYLINE_KILLS=$(or $(KILLS),20) $(RUN) -m pytest tests/cluster/interrupted -k killed

MINUTES ?= 60

soak: tools ## MINUTES=60 of mixed load on two replicas: a kill per minute, rotated keys, new deployments
	@RAYLINE_SOAK_MINUTES=$(MINUTES) $(RUN) -m pytest tests/cluster/soak

test-theirs: setup ## follow the README's ten steps on the sandbox as if it were somebody else's cluster
	@RAYLINE_THEIRS=1 $(RUN) -m pytest -s tests/cluster/theirs

ENGINE_VENV := $(or $(RAYLINE_CACHE),$(HOME)/.cache/rayline)/venvs/app-cpu

test-engine: setup ## test the service on a real vLLM (CPU) behind real Ray Serve; 7 GB of packages once
	@$(ENGINE_PYTHON) requirements/python_version.py "make $@ ENGINE_PYTHON=" 3.11
	@RAYLINE_ENGINE_VENV="$(ENGINE_VENV)" sh bench/serving/environment.sh $(ENGINE_PYTHON)
	@"$(ENGINE_VENV)/bin/python" -m pytest tests/app_live

PEERS_VENV := $(dir $(ENGINE_VENV))bench-peers

bench-app: ## compare the service with bare vLLM, LiteLLM and Ray Serve LLM, then time the guard; 15 minutes
	@$(ENGINE_PYTHON) requirements/python_version.py "make $@ ENGINE_PYTHON=" 3.11
	@RAYLINE_ENGINE_VENV="$(ENGINE_VENV)" sh bench/serving/environment.sh $(ENGINE_PYTHON)
	@RAYLINE_PEERS_VENV="$(PEERS_VENV)" sh bench/environment.sh $(ENGINE_PYTHON)
	@"$(ENGINE_VENV)/bin/python" -m bench.app --peers "$(PEERS_VENV)" $(ARGS)
	@"$(ENGINE_VENV)/bin/python" -m bench.guard

lint: setup ## run ruff, mypy and import-linter
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(VENV)/bin/lint-imports --no-cache

lock: setup ## write requirements/*.txt from pyproject.toml
	@$(RUN) requirements/lock.py

DOCS_VENV := $(dir $(ENGINE_VENV))docs

docs: ## build the documentation site into site/; a broken link is an error
	@RAYLINE_DOCS_VENV="$(DOCS_VENV)" sh requirements/docs.sh $(PYTHON)
	@NO_MKDOCS_2_WARNING=1 "$(DOCS_VENV)/bin/python" -m mkdocs build --strict --quiet
	@echo "  site/index.html"

docs-serve: ## serve the documentation site on http://127.0.0.1:8001 and rebuild it on changes
	@RAYLINE_DOCS_VENV="$(DOCS_VENV)" sh requirements/docs.sh $(PYTHON)
	@NO_MKDOCS_2_WARNING=1 "$(DOCS_VENV)/bin/python" -m mkdocs serve --strict --dev-addr 127.0.0.1:8001
