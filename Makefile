# Each target sets up what it needs: a virtual environment in .venv with the versions of the lock files, then the job.
# CORES is the number of cells that run side by side, CONFIG a configuration laid over config/config.yaml, RESULTS the folder
# that is served, packed or verified, ROUNDING and CELLS under which rounding context, and which cells, `make verify` runs again,
# PORT the one to serve at (any that is free), PYTEST_ARGS what pytest is told besides.

PYTHON ?= python3
CORES ?= all
CONFIG ?=
RESULTS ?= results
ROUNDING ?=
CELLS ?= published corrected
PORT ?= 0
PYTEST_ARGS ?=

# Tools are modules of the environment's own interpreter: it works where the project was moved, unlike scripts with a path in
# their first line. What lies in the project's folder and is named like a module of Python's is not imported.
export PYTHONSAFEPATH := 1
PY := .venv/bin/python -P
# pip, Snakemake and the fetched data sets keep files in the user's home; where there is none to write to, in the project.
ifeq ($(shell test -n "$$HOME" && mkdir -p "$$HOME/.cache" 2>/dev/null || echo none),none)
export HOME := $(CURDIR)/.snakemake/home
unexport XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME
$(shell mkdir -p .snakemake/home)
endif
SNAKEMAKE := $(PY) -m snakemake --cores $(CORES) $(if $(CONFIG),--configfile $(CONFIG))
# Two processes share the tests; the files that take longest come first. npm, for the data sets' packages, is on the path.
PYTEST := PATH="$$(pwd)/.venv/bin:$$PATH" $(PY) -m pytest -n 2 --no-loadscope-reorder
# What .venv/installed holds once all is installed, and what the environment would write there now.
LOCKS := requirements.lock requirements-torch.lock
INSTALLED := $(PY) -c "import sys; print('\#', sys.implementation.cache_tag)" 2>&1; cat $(LOCKS)

.DEFAULT_GOAL := help
.PHONY: help setup environment tools data check-data report quick ledger verify offered serve lab archive test test-system browser services bench \
	coverage mutants docs lint lock

help:  ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup:  ## Make the virtual environment, where .venv is not what requirements.lock asks for.
	@case "$$(pwd)" in *:*) echo "gradlab: the project's path, $$(pwd), contains ':', which separates paths; move it" >&2; exit 1;; esac
	@{ $(INSTALLED); } | cmp -s - .venv/installed || $(MAKE) --no-print-directory environment

environment:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "gradlab needs Python 3.11 or newer," \
		"and '$(PYTHON)' is not that; name one with: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		echo "gradlab: Python's module venv is missing; installing it: apt-get install python3-venv" && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; }; \
		$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "gradlab: '$(PYTHON)' lacks the modules venv and ensurepip;" \
		"install them (on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@if test -e .venv || test -h .venv; then echo "gradlab: .venv is not complete, or is not of this Python and" \
		"requirements.lock; making it anew"; else echo "gradlab: making .venv, with what requirements.lock names"; fi
	@# A link gives way, and what it leads to stays.
	@if test -h .venv; then rm .venv; fi; rm -f .venv/installed
	@$(PYTHON) -m venv --clear .venv
	@$(PY) workflow/install.py $(LOCKS)
	@{ $(INSTALLED); } > .venv/installed

tools: setup  # of tests, documentation and style
	@cmp -s requirements-test.lock .venv/tools || \
		{ $(PY) workflow/install.py requirements-test.lock && cp requirements-test.lock .venv/tools; }

data: setup  ## Fetch and prepare both data sets.
	@$(SNAKEMAKE) fashion_mnist cifar10

check-data: setup  ## Read the prepared data, and check every byte.
	@PYTHONPATH=src $(PY) -m gradlab check-data

report: setup  ## Run the whole study and render results/report.html.
	@$(SNAKEMAKE)

quick: setup  ## Run every kind of cell, shortened, and render results/quick/report.html.
	@$(MAKE) --no-print-directory report CONFIG=config/quick.yaml

ledger: report  ## Compare with the published figures; fail where one that must be exact is not.
	@PYTHONPATH=src $(PY) -m gradlab ledger $(RESULTS)/ledger.json

# The second run lies beside the first, in a folder of its own for each context.
AGAIN = $(RESULTS)/$(if $(ROUNDING),rounding-$(ROUNDING),again)

verify: offered report  ## Run every cell again, and let the report say which gave the same bytes (ROUNDING=avx2: what stands).
	@$(SNAKEMAKE) --config results=$(AGAIN) $(if $(ROUNDING),rounding=$(ROUNDING)) -- $(CELLS)
	@PYTHONPATH=src $(PY) -m gradlab $(if $(ROUNDING),robustness,verify) $(RESULTS)/plan.json $(AGAIN)/plan.json; \
		status=$$?; $(SNAKEMAKE) && exit $$status

offered: setup  # before hours of computing: whether this machine has the context
	@PYTHONPATH=src $(PY) -m gradlab rounding $(ROUNDING)

serve: setup  ## Serve the report to browsers on this machine alone (RESULTS=results/quick for the quick study).
	@test -f "$(RESULTS)/report.html" || { echo "gradlab: there is no $(RESULTS)/report.html; run 'make report' first" >&2; exit 1; }
	@echo "report.html is at the address below; Ctrl-C ends it"
	@$(PY) -u -m http.server --bind 127.0.0.1 --directory "$(RESULTS)" $(PORT)

lab: tools data  ## Open the notebooks in JupyterLab; what they write goes to results/scratch, unless one says otherwise.
	@# Kernels start in the project's folder, as those of cells do: in the server's, a notebook's own folder is not there.
	@PYTHONPATH="$(CURDIR)/src" $(PY) -m jupyterlab --ServerApp.root_dir="$(CURDIR)/notebooks" --ServerApp.port=$(PORT) \
		--MappingKernelManager.root_dir="$(CURDIR)" $(if $(filter 0,$(shell id -u)),--allow-root)

archive: setup  ## Pack report, results and project into one zip with an RO-Crate (RESULTS as for serve).
	@PYTHONPATH=src $(PY) -m gradlab archive $(RESULTS)/plan.json --to $(RESULTS)/archive.zip

test: lint browser data  ## Run all tests that need no root, in two processes.
	@$(PYTEST) -m "not system" $(PYTEST_ARGS)

test-system: services data  ## Run the tests that need root and services: a SLURM, a full disk.
	@PATH="$$PATH:/usr/sbin:/sbin" $(PY) -m pytest -m system $(PYTEST_ARGS)

browser: tools
	@$(PY) tests/machine.py browser

services: tools
	@$(PY) tests/machine.py services

bench: tools data  ## Time what is fast beside other ways of doing it, for benchmarks/results.json and the report.
	@PYTHONPATH=src:tests:. $(PY) -m benchmarks

coverage: tools data  ## Measure which lines and branches of the package its unit tests run.
	@$(PYTEST) -m "not workflow and not system" --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

mutants: tools  ## Change three modules bit by bit, and count the changes that their tests notice.
	@$(PY) -m mutmut run --max-children 2
	@$(PY) -m mutmut results --all true | awk -F '[.:] *' '{all[$$3]++; seen[$$3] += $$5 == "killed" || $$5 == "timeout"} \
		END {for (m in all) {printf "%-9s %4d of %4d changes noticed\n", m, seen[m], all[m]; few += seen[m] < 0.85 * all[m]}; exit few > 0}'

docs: tools  ## Build the documentation, into build/docs.
	@PYTHONPATH=src $(PY) -m sphinx --fail-on-warning --quiet docs build/docs

lint: tools  ## Check style and types of the code.
	@$(PY) -m ruff check src tests benchmarks workflow docs notebooks
	@$(PY) -m ruff format --check src tests benchmarks workflow docs notebooks
	@$(PY) -m snakefmt --check Snakefile workflow/rules
	@$(PY) -m nbstripout --keep-id --verify notebooks/*/*.ipynb
	@PYTHONPATH=src $(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	@$(PY) -m mypy

lock: tools  ## Write the versions that are installed now to the lock files.
	@PYTHONPATH=workflow $(PY) workflow/lock.py
	@{ $(INSTALLED); } > .venv/installed; cp requirements-test.lock .venv/tools
