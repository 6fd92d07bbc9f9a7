PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOWEST := build/lowest
WITH_LOWEST = PYTHONPATH=$(CURDIR)/$(LOWEST) $(BIN)/python
IN_PROCESS := test_checkpoints test_joint_model test_loop test_prefetch
export OMP_NUM_THREADS ?= 2

.PHONY: help install test test-fast test-lowest docs check demo demo-down up down bench study

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed  ## build .venv with everything, pinned

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "Building $(VENV) (about 4 GB, a few minutes the first time)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --progress-bar on -c constraints.txt -e '.[all,dev]'
	@touch $@

test: install  ## run every test, on real services
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: install  ## the tests that start no service, for the inner loop
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not services and not browser and not mounts"

$(LOWEST)/.installed: $(VENV)/.installed scripts/lowest.py
	rm -rf $(LOWEST)
	mkdir -p $(LOWEST)
	$(BIN)/python scripts/lowest.py train dgl lora > $(LOWEST)/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --target $(LOWEST) -r $(LOWEST)/requirements.txt
	@touch $@

test-lowest: $(LOWEST)/.installed  ## the trainer's tests with the lowest torch, transformers and PyG that are allowed
	test -z "$$($(WITH_LOWEST) scripts/lowest.py train dgl lora)"
	BALI_REQUIRE= OMP_NUM_THREADS=1 $(WITH_LOWEST) -m pytest -n 2 --dist loadfile -m "not services" \
		$(addprefix tests/trainers/,batches models objectives linker) \
		$(addprefix tests/trainers/training/,$(addsuffix .py,$(IN_PROCESS)))

docs: install  ## build the documentation as a site, in build/docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q -b html docs build/docs

build/clients:  ## what generates clients, in a folder of its own: its pins are not ours
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet 'openapi-python-client==0.29.1'

check: install  ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: install  ## from nothing to an aligned, evaluated model
	$(BIN)/bali demo

demo-down:  ## stop everything the demo started
	$(BIN)/bali demo --down

up: install  ## start Neo4j and Redis
	$(BIN)/bali up

down:  ## stop them
	$(BIN)/bali down

bench: install  ## measure on the running home (`bali up`)
	$(BIN)/python -m benchmarks

# A study from nothing. DOWNLOADS holds a file for each corpus, called as the study calls the corpus:
# medmentions-all.jsonl.gz, ncbi-dev.pubtator and so on; and mesh2cui.tsv, where one is needed.
DOWNLOADS ?= downloads
STUDY ?= comparison
CODES = $(wildcard $(DOWNLOADS)/mesh2cui.tsv)
FILES = $(filter-out $(CODES),$(wildcard $(DOWNLOADS)/*))
CORPORA = $(foreach file,$(FILES),corpora/$(firstword $(subst ., ,$(notdir $(file)))))

study: install open-release/.loaded corpora/medmentions $(CORPORA)  ## from downloads to a report
	$(BIN)/bali study run $(STUDY)

open-release/.loaded:
	$(BIN)/bali release open open-release
	$(BIN)/bali load open-release
	@touch $@

corpora/medmentions: corpora/medmentions-all
	$(BIN)/bali corpus split $< --output $@

corpora/%: | open-release/.loaded up
	$(BIN)/bali corpus import $(or $(wildcard $(DOWNLOADS)/$*.*),$(error no file $(DOWNLOADS)/$*)) \
		--output $@ $(CODES:%=--codes %)
