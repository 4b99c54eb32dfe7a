# The README's two commands are `make demo` and `make test`; each works alone on a fresh machine.
# A GPU build of torch: make demo TORCH="torch==2.13.0 --index-url <torch's index for your driver>"
TORCH  ?= torch==2.13.0
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Two workers with a thread each: with two each, threads of torch wait for one another in loops.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: help demo test test-slow check format docs lock install clean

help:           ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

install: $(VENV)/.installed  ## a private environment from the lock file

# torch first and by itself: with its hash in the lock pip would take the CUDA build even where
# a CPU build lies at hand. Then everything else by hash, then this package alone.
$(VENV)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null \
	  || { echo "there is no $(PYTHON); name the Python to use: make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "trivium needs Python 3.11 or newer; this is $$($(PYTHON) -V). Name another: make PYTHON=python3.12"; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing into $(VENV), about two minutes the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "$(TORCH)" > $@

# Another TORCH than the one installed is installed too.
ifneq ($(shell cat $(VENV)/.installed 2>/dev/null),$(TORCH))
.PHONY: $(VENV)/.installed
endif

demo: install   ## make a small corpus, show it, say what to type next
	@$(BIN)/trivium demo

test: install   ## every test but the long ones, < 15 minutes on 2 cores
	@command -v chromium >/dev/null \
	  || echo "no chromium: the page is not tested in a browser; apt-get install chromium adds it"
	@$(PYTEST) -m "not slow" tests

test-slow: install  ## long studies and hundreds of kills
	@$(PYTEST) -m slow tests

check: install  ## format, lint, types, guards: what a change must pass first
	@$(BIN)/ruff format --check src tests benchmarks
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/guards

format: install ## rewrite the files as `make check` wants them
	@$(BIN)/ruff check --fix --quiet src tests benchmarks; $(BIN)/ruff format src tests benchmarks

docs: install   ## docs/commands.md and backbones.md from what they tell of
	@$(BIN)/python -m tests.guards.commands_page > .commands.part && mv .commands.part docs/commands.md
	@$(BIN)/python -m tests.guards.backbones_page > .backbones.part && mv .backbones.part docs/backbones.md

lock: install   ## renew requirements.lock (CONTRIBUTING says when)
	@$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet $(TORCH) pip-tools
	@echo 'torch==$(shell $(BIN)/python -c "import importlib.metadata as m; print(m.version(\"torch\").split(\"+\")[0])")' > $(VENV)/lock/torch.txt
	@CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/lock/bin/pip-compile --quiet --generate-hashes --strip-extras \
	  --unsafe-package torch --no-emit-index-url --no-emit-find-links --extra world --extra serve --extra search \
	  --extra corpora --extra dev \
	  --constraint $(VENV)/lock/torch.txt --output-file requirements.lock pyproject.toml
	@rm -rf $(VENV)/lock

clean:          ## remove the environment and what the tests left
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build
