# A stress test for image classifiers. `make help` lists the verbs; params/<study>/ says what a study is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDEXPANSION:
DRY := $(findstring n,$(firstword -$(MAKEFLAGS)))$(findstring q,$(firstword -$(MAKEFLAGS)))
MAKEFLAGS += --no-builtin-rules

STUDY   ?= phantom
OUTPUTS ?= outputs
VENV    ?= .venv
PYTHON  ?= python3
JOBS    ?= 2
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(JOBS)
endif

STUDIES := $(sort $(notdir $(patsubst %/study.mk,%,$(wildcard params/*/study.mk))))
ifeq ($(filter $(STUDY),$(STUDIES)),)
$(error there is no study "$(STUDY)"; there are: $(STUDIES))
endif
include params/$(STUDY)/study.mk

BIN := $(VENV)/bin
RUN := $(BIN)/python
# A shell between make and a job would be what make's signals reach; REPORT_MAKE tells the job whom to end with.
JOB := REPORT_MAKE=$$PPID exec $(RUN)
export PYTHONPATH := $(CURDIR)
export PYTHONHASHSEED := 0
export PYDEVD_DISABLE_FILE_VALIDATION := 1
ifdef TENSORBOARD
export REPORT_TENSORBOARD := $(TENSORBOARD)
endif
ifdef DATA
export CIFAR100_ROOT := $(abspath $(DATA))
endif

P     := params/$(STUDY)
OUT   := $(OUTPUTS)/$(STUDY)
RUNS  := $(foreach arm,$(ARMS),$(foreach seed,$(SEEDS),$(OUT)/$(arm)/seed-$(seed)/train.ipynb))
VIEWS := $(addprefix $(OUT)/,02_failures.ipynb 03_gradcam.ipynb 04_compare.ipynb)

# What a change must rerun: a plot retrains nothing, an exporter recomputes nothing.
EXPORT_LIB := $(wildcard lib/export*.py lib/templates/* lib/templates/*/* lib/templates/*/*/*)
VIEW_LIB   := $(filter-out $(EXPORT_LIB) lib/refresh.py,$(wildcard lib/*.py lib/*.mplstyle lib/*.json))
TRAIN_LIB  := $(wildcard $(addprefix lib/,augment.py checkpoint.py cifar100.py cutmix.py data.py execute.py inference.py interrupt.py machine.py model.py params.py \
              phantom*.py predict.py randomness.py recipe.py record.py runs.py train.py yamls.py))

comma := ,
list   = [$(subst $(subst ,, ),$(comma),$(strip $(1)))]
files  = $(addprefix -f ,$(wildcard $(1)))
STUDY_VALUES := -p study $(STUDY) -p outputs '$(OUTPUTS)'
VIEW_VALUES   = $(STUDY_VALUES) -p runs '$(OUT)' -p arms '$(call list,$(ARMS))' -p seeds '$(call list,$(SEEDS))'

.PHONY: help
help: ## this list
	@echo "make <verb> [STUDY=$(subst $() ,|,$(STUDIES))] [DATA=folder of cifar-100-python] [OUTPUTS=folder] [VENV=folder] [JOBS=2] [ON=dask]"
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 14

# --- environment: done means that the lock's content is installed, whatever the files' times say
STAMP   := $(VENV)/.lock-$(firstword $(shell cksum < requirements.txt))
CLUSTER := $(VENV)/.cluster-$(firstword $(shell cat requirements.txt requirements-cluster.txt | cksum))
.PHONY: setup
setup: $(STAMP) ## the environment: .venv from the lock (2 min, 6 GB)
$(STAMP):
	@test -x $(RUN) || $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python 3.11 to 3.13 is needed, $(PYTHON) is another; name one: make PYTHON=python3.12" >&2; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv '$(VENV)'
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	rm -f '$(VENV)'/.lock-* && touch '$@'
$(CLUSTER): | $(STAMP)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-cluster.txt
	rm -f '$(VENV)'/.cluster-* && touch '$@'

# --- many machines: ON=dask finds or starts a cluster and makes the same goals anew with ON=<its address>
ifeq ($(ON)$(DRY),dask)
GOALS := $(or $(MAKECMDGOALS),help)
.PHONY: $(GOALS)
$(firstword $(GOALS)): $(CLUSTER)
	@exec $(RUN) -m lib.cluster start $(if $(filter command environment,$(firstword $(origin JOBS))),--jobs $(JOBS)) $(STUDY) $(MAKE) $(GOALS)
$(filter-out $(firstword $(GOALS)),$(GOALS)): $(firstword $(GOALS))
else
# --- the study
.PHONY: report
report: $(OUT)/report.html $(OUT)/report.pdf ## train the study's arms, compare them, write report.html and report.pdf (phantom 13 min, cifar100-small 2.5 h)

.PHONY: check
check: report ## make the report if need be, then print the study's conditions: fails when one does not hold
	@$(RUN) -m lib.conditions '$(OUT)/results.json' $(wildcard $(P)/conditions.yaml)

.PHONY: train
train: $(RUNS) ## only train the study's arms

.PHONY: data
data: $(STAMP) ## fetch or check CIFAR-100; say which reviews of its test split stand beside it, and where they come from
	@$(RUN) -m lib.reviews

WORK := $(if $(ON),lib.cluster run '$(ON)',lib.execute)
arm_of  = $(firstword $(subst /, ,$(1)))
seed_of = $(patsubst seed-%,%,$(notdir $(1)))
$(RUNS): $(OUT)/%/train.ipynb: notebooks/01_train.ipynb $(TRAIN_LIB) $(wildcard $(P)/train.yaml) $(P)/arms/$$(call arm_of,$$*).yaml | $(STAMP) $(if $(ON),$(CLUSTER))
	@$(JOB) -m $(WORK) $< '$@' $(call files,$(P)/train.yaml $(P)/arms/$(call arm_of,$*).yaml) $(STUDY_VALUES) \
	  -p arm $(call arm_of,$*) -p seed $(call seed_of,$*) < /dev/null

# The witness of what the stages saw: its name changes with the lists of runs and of files that may be there or not.
LOOKUPS := $(wildcard $(addprefix $(or $(CIFAR100_ROOT),data)/,label_review.json duplicates_train_test.csv duplicates_test_test.csv))
STATED  := $(wildcard $(P)/cases.yaml $(P)/claims.yaml $(P)/conditions.yaml)
WITNESS := $(OUT)/.runs-$(firstword $(shell echo '$(ARMS) $(SEEDS) $(LOOKUPS) $(STATED)' | cksum))
$(WITNESS):
	@mkdir -p '$(@D)' && rm -f '$(OUT)'/.runs-* && touch '$@'
$(VIEWS) $(OUT)/05_report.ipynb: $(WITNESS)
$(OUT)/02_failures.ipynb: $(RUNS) $(LOOKUPS) $(STATED)
$(OUT)/03_gradcam.ipynb $(OUT)/04_compare.ipynb: $(OUT)/02_failures.ipynb
$(OUT)/03_gradcam.ipynb: $(wildcard released/$(STUDY)/*/run.json)
$(OUT)/05_report.ipynb: $(VIEWS) $(STATED)
stage_of = $(lastword $(subst _, ,$(1)))
$(VIEWS) $(OUT)/05_report.ipynb: $(OUT)/%.ipynb: notebooks/%.ipynb $(VIEW_LIB) $$(wildcard $(P)/$$(call stage_of,$$*).yaml) | $(STAMP)
	@$(JOB) -m lib.execute $< '$@' $(call files,$(P)/$(call stage_of,$*).yaml) $(VIEW_VALUES) < /dev/null

$(OUT)/report.html: $(OUT)/05_report.ipynb $(EXPORT_LIB)
	@exec $(RUN) -m lib.export $< --html '$@'
$(OUT)/report.pdf: $(OUT)/05_report.ipynb $(EXPORT_LIB)
	@exec $(RUN) -m lib.export $< --pdf '$@'

# --- work with the notebooks
.PHONY: lab
lab: $(STAMP) ## explore in JupyterLab
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks

.PHONY: refresh
refresh: $(STAMP) ## for authors: train the smoke runs anew and execute the committed notebooks in place (2 min)
	rm -rf outputs/smoke
	$(MAKE) train STUDY=smoke OUTPUTS=outputs
	for run in $$(cd outputs/smoke && ls -d */seed-*); do mkdir -p released/smoke/$$run; \
	  (cd outputs/smoke/$$run && cp run.json history.csv predictions.npz model.safetensors '$(CURDIR)'/released/smoke/$$run/); done
	$(RUN) -m lib.refresh notebooks/0*.ipynb

# --- checks
.PHONY: test unit
test: unit nbval ## unit tests, the pipeline end to end on the smoke study, nbval on the notebooks, side by side (8 min)
unit: $(STAMP) $(CLUSTER)
	$(RUN) -m pytest tests

.PHONY: nbval
nbval: $(STAMP) ## only nbval: do the committed notebooks still print what they print? (1 min)
	rm -rf outputs/smoke
	REPORT_HEADLESS=1 $(RUN) -m pytest --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg -p no:cacheprovider notebooks/0*.ipynb

.PHONY: lock
lock: ## for authors: requirements.txt and requirements-cluster.txt from their .in (needs uv)
	for part in requirements requirements-cluster; do \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $$part.in -o $$part.txt; done

# --- away with it
.PHONY: clean distclean
clean: ## delete the study's results
	rm -rf '$(OUT)'
distclean: ## delete the results of all studies and .venv; data/ stays
	rm -rf $(foreach study,$(STUDIES),'$(OUTPUTS)/$(study)') .venv
endif
