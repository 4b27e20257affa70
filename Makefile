# Few verbs; `make help` lists them. What they do is in `python -m sandbox`.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STACK ?= local
# What a user may set, also as `make sandbox RAYLINE_REGISTRY_PORT=5001`: see the README.
export RAYLINE_REGISTRY_PORT RAYLINE_NETWORK RAYLINE_GPUS RAYLINE_GPU_TAINT RAYLINE_CACHE

.DEFAULT_GOAL := help
.PHONY: help setup tools sandbox sandbox-status sandbox-env sandbox-down up down pulumi test test-fast test-engine bench-app lint lock

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.installed ## the Python environment in .venv

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if v == (3, 11) else f"rayline needs Python 3.11; {sys.executable} is {v[0]}.{v[1]}. Say which to use: make setup PYTHON=python3.11")'
	@echo "  Python environment: .venv"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

tools: setup ## find, download or build every binary (about 20 minutes when built on 2 cores, once)
	@$(RUN) -m sandbox tools

sandbox: setup ## start a real one-node Kubernetes, registry and BuildKit (needs root)
	@$(RUN) -m sandbox up

sandbox-status: setup ## one line a component, and the kubeconfig to export
	@$(RUN) -m sandbox status

sandbox-env: setup ## print the variables to eval in a shell
	@$(RUN) -m sandbox env

sandbox-down: setup ## stop it and remove what it added to the machine; PURGE=1: its image stores too
	@$(RUN) -m sandbox down $(if $(PURGE),--purge)

ifeq ($(STACK),local)
up: sandbox ## the main job: from nothing to a chat answer; STACK=dev: `pulumi up` of that stack
	@$(RUN) -m sandbox deploy

down: sandbox-down ## undo `make up`
else
up: setup
	@PATH="$(CURDIR)/.bin:$$PATH" pulumi up --stack $(STACK)

down: setup
	@PATH="$(CURDIR)/.bin:$$PATH" pulumi destroy --stack $(STACK)
endif

pulumi: setup ## Pulumi on the stack local: make pulumi DO='preview --diff'
	@$(RUN) -m sandbox pulumi $(DO)

test: setup ## fast tests, then the main job and the sandbox end to end (needs root)
	@$(RUN) -m pytest

test-fast: setup ## tests without root, network or sandbox, in seconds
	@$(RUN) -m pytest -m "not cluster"

ENGINE_VENV := $(or $(RAYLINE_CACHE),$(HOME)/.cache/rayline)/venvs/app-cpu

test-engine: setup ## the service on a real vLLM (CPU) behind real Ray Serve; 7 GB of packages the first time
	@RAYLINE_ENGINE_VENV="$(ENGINE_VENV)" sh bench/serving/environment.sh $(PYTHON)
	@"$(ENGINE_VENV)/bin/python" -m pytest tests/app_live

PEERS_VENV := $(dir $(ENGINE_VENV))bench-peers

bench-app: ## the service, bare vLLM, LiteLLM, Ray Serve LLM in turns, then the guard alone; 15 minutes
	@RAYLINE_ENGINE_VENV="$(ENGINE_VENV)" sh bench/serving/environment.sh $(PYTHON)
	@RAYLINE_PEERS_VENV="$(PEERS_VENV)" sh bench/environment.sh $(PYTHON)
	@"$(ENGINE_VENV)/bin/python" -m bench.app --peers "$(PEERS_VENV)" $(ARGS)
	@"$(ENGINE_VENV)/bin/python" -m bench.guard

lint: setup ## ruff and mypy
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

lock: setup ## write requirements/*.txt anew from pyproject.toml
	@$(RUN) requirements/lock.py
