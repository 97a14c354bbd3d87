# Each target sets up what it needs: a virtual environment in .venv with the versions of requirements.lock, then the job.
# CORES is the number of cells that run side by side, CONFIG a configuration laid over config/config.yaml, RESULTS the folder
# that is served, packed or checked.

PYTHON ?= python3
CORES ?= all
CONFIG ?=
RESULTS ?= results

VENV := .venv
READY := $(VENV)/.ready
CLOUD := $(VENV)/cloud/.ready
INSTALL := $(PYTHON) -m venv $(VENV); $(VENV)/bin/python -m pip install --quiet --requirement requirements.lock; touch $(READY)
# Snakemake, its jobs and their kernels find `python` on this path.
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
SNAKEMAKE := $(RUN) snakemake --cores $(CORES) $(if $(CONFIG),--configfile $(CONFIG))
# Two processes share the tests; the files that take longest come first.
PYTEST := $(RUN) python -m pytest -n 2 --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup data check-data report quick ledger verify serve archive test bench coverage mutants audit lint lock

help:  ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: $(READY)  ## Make the virtual environment.

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gradlab needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -I src/gradlab/lock.py sh -ec '$(INSTALL)'

$(CLOUD): requirements-cloud.lock $(READY)
	@rm -rf $(VENV)/cloud
	@$(VENV)/bin/python -m pip install --quiet --no-deps --target $(VENV)/cloud --requirement requirements-cloud.lock
	@touch $@

data: $(READY)  ## Fetch and prepare both data sets.
	@$(SNAKEMAKE) fashion_mnist cifar10

check-data: $(READY)  ## Read the prepared data of a study, and check every byte.
	@for dataset in fashion_mnist cifar10; do \
		$(RUN) PYTHONPATH=src python -m gradlab.datasets $(RESULTS)/plan.json $$dataset --check || exit 1; done

report: $(READY)  ## Run the whole study and render results/report.html.
	@$(SNAKEMAKE)

quick: $(READY)  ## Run every kind of cell, shortened, and render results/quick/report.html.
	@$(MAKE) --no-print-directory report CONFIG=config/quick.yaml

ledger: $(READY)  ## Compare with the published figures; fail where one that must be exact is not.
	@$(SNAKEMAKE) --quiet all -- ledger

verify: report  ## Run every cell a second time, and let the report say which gave the same bytes.
	@$(SNAKEMAKE) --config results=$(RESULTS)/again -- published corrected
	@$(RUN) PYTHONPATH=src python -m gradlab.repeatability $(RESULTS)/plan.json $(RESULTS)/again/plan.json; \
		status=$$?; $(SNAKEMAKE) && exit $$status

serve: $(READY)  ## Show the report in a browser, served to this machine alone (RESULTS=results/quick for the quick study).
	@$(RUN) PYTHONPATH=src python -m gradlab.serve $(RESULTS)/report.html

archive: $(READY)  ## Pack report, results and project into one zip with an RO-Crate (RESULTS as for serve).
	@$(RUN) PYTHONPATH=src python -m gradlab.archive $(RESULTS)/plan.json --to $(RESULTS)/archive.zip

test: $(READY) $(CLOUD) lint data  ## Run all tests, in two processes.
	@$(PYTEST)

bench: $(READY) data  ## Time what is fast beside other ways of doing it, for benchmarks/results.json and the report.
	@$(RUN) PYTHONPATH=src:tests python -m benchmarks

coverage: $(READY) data  ## Measure which lines and branches of the package its unit tests run.
	@$(PYTEST) -m "not workflow" --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

mutants: $(READY)  ## Change four modules bit by bit, and count the changes that their tests notice.
	@$(RUN) mutmut run --max-children 2
	@$(RUN) mutmut results --all true | awk -F '[.:] *' '{all[$$2]++; seen[$$2] += $$4 == "killed" || $$4 == "timeout"} \
		END {for (m in all) {printf "%-9s %4d of %4d changes noticed\n", m, seen[m], all[m]; few += seen[m] < 0.85 * all[m]}; exit few > 0}'

audit:  ## Ask the Python Packaging Advisory Database about the versions of requirements.lock.
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/python -m pip install --quiet --upgrade pip-audit
	@$(VENV)/audit/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip

lint: $(READY)  ## Check the style of the code.
	@$(RUN) ruff check src tests benchmarks
	@$(RUN) ruff format --check src tests benchmarks

lock: $(READY)  ## Write the versions that are installed now to requirements.lock.
	@{ echo "# The exact versions of everything; written by 'make lock'. The build of torch (CPU or CUDA) is left to pip."; \
		$(VENV)/bin/python -m pip freeze --exclude gradlab --exclude-editable | sed 's/+cpu$$//'; } > requirements.lock
	@touch $(READY)
