# `make` alone lists the targets. GNU make 3.81, as macOS has it, is enough.

PYTHON ?= python3
BIN := .venv/bin

# The commands in dvc.yaml start `python`.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# uv leaves compiling to the first import. Where it is not kept, each start of TensorFlow takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help quickstart setup app site strokes test check repro docs png same verify bench

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

quickstart: setup ## Try the whole pipeline on a small built-in data set, 4 to 8 minutes; your files stay as they are
	$(BIN)/python -m digits.quickstart

setup: .venv/installed ## Install the pinned packages into .venv

UV := uv==0.13.9

.venv/installed: requirements.lock
	@git rev-parse --is-inside-work-tree > /dev/null 2>&1 || { echo 'This folder is no git clone, and' \
	    'DVC needs one. After the ZIP: git init && git add --all && git commit --message "From the ZIP"'; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else \
	    "Python 3.11, 3.12 or 3.13 is needed, found " + sys.version.split()[0] + \
	    "; name another: make quickstart PYTHON=python3.12")'
	@echo 'Installing the packages into .venv: about a minute'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV) \
	    && $(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements.lock \
	    || { echo 'uv failed; going on with pip: some minutes'; $(BIN)/python -m pip install --quiet \
	    --disable-pip-version-check --requirement requirements.lock; }
	@touch $@

app: setup ## Draw digits in a browser
	$(BIN)/python -m app

site: setup ## Build the app that needs no server into site/; needs npm
	$(BIN)/python -m app.site

strokes: setup ## Classify recorded pen strokes with the exported network: make strokes STROKES=digits.json.gz
	@test -n "$(STROKES)" || { echo 'Say which: make strokes STROKES=digits.json.gz'; exit 2; }
	$(BIN)/python -m bench.strokes "$(STROKES)"

test: setup ## Run the tests; those on the genuine MNIST need MNIST_MIRROR, a folder or an address; 8 to 13 minutes
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: setup ## Lint, check formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

repro: setup ## Bring everything up to date on MNIST, a stage on each CPU core (JOBS=4 for four); 70 minutes
	$(BIN)/python -m digits.repro $(if $(JOBS),--jobs $(JOBS))

same: setup ## Show that no number changed since a revision: make same BASE=main; some minutes
	@test -n "$(BASE)" || { echo 'Say since which revision: make same BASE=main'; exit 2; }
	$(BIN)/python -m bench.same $(BASE)

verify: setup ## Does this computer reproduce the project? Images, the app's network, trainings; 4 to 7 minutes
	$(BIN)/python -m studies.verify

bench: setup ## Measure speed and memory for docs/performance.md, after make repro; hours
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.training

docs: setup ## Put the figures of the last runs into README.md and docs/
	$(BIN)/python -m digits.evaluation.report

png: setup ## Unpack the images into png/, in class folders
	$(BIN)/dvc repro convert
	rm -rf png
	set -e; for archive in data/png/*.zip; do $(BIN)/python -m zipfile --extract $$archive png; done
