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

# Names become targets, folders and words of a shell: refused here when they are more than names.
characters := a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 _ -
odd         = $(strip $(eval left := $(1))$(foreach c,$(characters),$(eval left := $(subst $(c),,$(left))))$(left))
refuse_odd  = $(if $(call odd,$($(1))),$(error $(1): "$($(1))" holds more than names of a-z, 0-9, _ and -))
# Folders become targets and words of a shell as well, and `rm -rf` is given names below them.
riddles       := : % ; $$ ~ \# * ? [ ] \ ' " & | < >
unfit         = $(if $(filter 1,$(words $(value $(1)))),$(strip $(foreach c,$(riddles),$(findstring $(c),$(value $(1))))),no one word)
refuse_unfit  = $(if $(call unfit,$(1)),$(error $(1): make needs the name of one folder, without blanks and $(riddles), and got "$(value $(1))"; a link to that folder helps))
# guard: plain-study-name
$(call refuse_odd,STUDY)
$(foreach name,OUTPUTS VENV $(if $(STUDY),STUDY) $(if $(value DATA),DATA),$(call refuse_unfit,$(name)))

STUDIES := $(sort $(notdir $(patsubst %/study.mk,%,$(wildcard params/*/study.mk))))
ifeq ($(filter $(STUDY),$(STUDIES)),)
$(error there is no study "$(STUDY)"; there are: $(STUDIES))
endif
include params/$(STUDY)/study.mk
$(foreach name,ARMS SEEDS,$(call refuse_odd,$(name)))

BIN := $(VENV)/bin
RUN := $(BIN)/python
# A shell between make and a job would be what make's signals reach; REPORT_MAKE tells the job whom to end with.
# guard: end-with-make
JOB := REPORT_MAKE=$$PPID exec $(RUN)
export PYTHONPATH := $(CURDIR)
export PYTHONHASHSEED := 0
export PYDEVD_DISABLE_FILE_VALIDATION := 1
ifdef TENSORBOARD
export REPORT_TENSORBOARD := $(TENSORBOARD)
endif
ifdef RETRAIN
export REPORT_RETRAIN := $(RETRAIN)
endif
ifdef DATA
export CIFAR100_ROOT := $(abspath $(DATA))
endif

P     := params/$(STUDY)
OUT   := $(OUTPUTS)/$(STUDY)
RUNS  := $(foreach arm,$(ARMS),$(foreach seed,$(SEEDS),$(OUT)/$(arm)/seed-$(seed)/train.ipynb))
VIEWS := $(addprefix $(OUT)/,02_failures.ipynb 03_gradcam.ipynb 04_compare.ipynb)

# What a change must rerun: a plot retrains nothing, an exporter recomputes nothing.
in         = $(wildcard $(foreach room,$(1),$(addprefix lib/$(room)/,*.* */*.* */*/*.* */*/*/*.*)))
TRAIN_LIB  := lib/model.py lib/cutmix.py lib/mixup.py lib/pipeline/execute.py $(call in,base data training)
VIEW_LIB   := $(TRAIN_LIB) lib/gradcam.py $(call in,evaluation diagnosis report)
EXPORT_LIB := $(call in,export)

# Values are YAML: a name in quotes stays text, were it 2024, no or null.
comma := ,
list   = [$(subst $(subst ,, ),$(comma),$(strip $(1)))]
files  = $(addprefix -f ,$(wildcard $(1)))
text   = '"$(1)"'
STUDY_VALUES := -p study $(call text,$(STUDY)) -p outputs $(call text,$(OUTPUTS))
VIEW_VALUES   = $(STUDY_VALUES) -p runs $(call text,$(OUT)) -p arms '$(call list,$(ARMS:%="%"))' -p seeds '$(call list,$(SEEDS))' $(ONE_ARM)
ONE_ARM       = $(if $(filter 1,$(words $(ARMS))),-p before $(call text,$(ARMS)) -p after $(call text,))

.PHONY: help
help: ## this list
	@echo "make <verb> [STUDY=$(subst $() ,|,$(STUDIES))] [DATA=folder of cifar-100-python] [OUTPUTS=folder] [VENV=folder] [JOBS=2] [RETRAIN=1] [ON=dask]"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 18

# --- environment: done means that the lock's content is installed, whatever the files' times say
STAMP   := $(VENV)/.lock-$(firstword $(shell cksum < requirements.txt))
TESTED  := $(VENV)/.test-$(firstword $(shell cat requirements.txt requirements-test.txt | cksum))
CLUSTER := $(VENV)/.cluster-$(firstword $(shell cat requirements.txt requirements-cluster.txt | cksum))
.PHONY: setup setup-test
setup: $(STAMP) ## the environment: .venv from the lock (3 min, 6 GB)
$(STAMP):
	@test -x $(RUN) || $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python 3.11 to 3.13 is needed, $(PYTHON) is another; name one: make PYTHON=python3.12" >&2; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv '$(VENV)'
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	rm -f '$(VENV)'/.lock-* && touch '$@'
setup-test: $(TESTED) $(CLUSTER) ## what the tests need besides
$(TESTED): | $(STAMP)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.txt
	rm -f '$(VENV)'/.test-* && touch '$@'
$(CLUSTER): | $(STAMP)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-cluster.txt
	rm -f '$(VENV)'/.cluster-* && touch '$@'

# --- many machines: ON=dask finds or starts a cluster and makes the same goals anew with ON=<its address>
ifeq ($(ON)$(DRY),dask)
GOALS := $(or $(MAKECMDGOALS),help)
.PHONY: $(GOALS)
$(firstword $(GOALS)): $(CLUSTER)
	@exec $(RUN) -m lib.pipeline.cluster start $(if $(filter command environment,$(firstword $(origin JOBS))),--jobs $(JOBS)) $(STUDY) $(MAKE) $(GOALS)
$(filter-out $(firstword $(GOALS)),$(GOALS)): $(firstword $(GOALS))
else
# --- the study
.PHONY: report
report: $(OUTPUTS)/index.html ## train the study's arms, compare them, write report.html and report.pdf (phantom 5 min, cifar100-small 66 min)
ifeq (,$(findstring q,$(firstword -$(MAKEFLAGS))))  # a command here would answer make -q
	@printf '%s\n' '$(OUT)/report.html' '$(OUT)/report.pdf'
endif

.PHONY: check
check: report ## make the report if need be, then print the study's conditions: fails when one does not hold
	@$(RUN) -m lib.report.conditions '$(OUT)/results.json' $(wildcard $(P)/conditions.yaml)

.PHONY: train
train: $(RUNS) ## only train the study's arms

.PHONY: verify
verify: $(STAMP) ## recompute the predictions of the study's released networks (a minute each at full size)
	@$(RUN) -m lib.training.released verify $(STUDY)

.PHONY: data
data: $(STAMP) ## fetch or check CIFAR-100; say which reviews of its test split stand beside it, and where they come from
	@$(RUN) -m lib.data.label_reviews

# All parameters are checked before anything runs; done means that this content was, as each stage checks its own once more.
CHECKED := $(OUT)/.checked-$(firstword $(shell cat $(wildcard $(P)/* $(P)/arms/*) 2>/dev/null | cksum))
$(CHECKED): | $(STAMP)
	@exec $(RUN) -m lib.pipeline.preflight '$(P)' $(VIEW_VALUES) < /dev/null
	@mkdir -p '$(@D)' && rm -f '$(OUT)'/.checked-* && touch '$@'
# guard: checked-first
$(RUNS): | $(CHECKED)

WORK := $(if $(ON),lib.pipeline.cluster run '$(ON)',lib.pipeline.execute)
arm_of  = $(firstword $(subst /, ,$(1)))
seed_of = $(patsubst seed-%,%,$(notdir $(1)))
$(RUNS): $(OUT)/%/train.ipynb: notebooks/01_train.ipynb $(TRAIN_LIB) $(wildcard $(P)/train.yaml) $(P)/arms/$$(call arm_of,$$*).yaml \
    $$(wildcard released/$(STUDY)/$$*/run.json) | $(STAMP) $(if $(ON),$(CLUSTER))
	@$(JOB) -m $(WORK) $< '$@' $(call files,$(P)/train.yaml $(P)/arms/$(call arm_of,$*).yaml) $(STUDY_VALUES) \
	  -p arm $(call text,$(call arm_of,$*)) -p seed $(call seed_of,$*) < /dev/null

# Runs that were taken over from released/ do not count when all are to be trained;
# 0, no, false and nothing mean no, as in lib.training.released.
ifneq (,$(filter-out 0 no No NO false False FALSE,$(RETRAIN)))
$(patsubst %/released.txt,%/train.ipynb,$(wildcard $(OUT)/*/seed-*/released.txt)): FORCE
FORCE:
endif

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
	@$(JOB) -m lib.pipeline.execute $< '$@' $(call files,$(P)/$(call stage_of,$*).yaml) $(VIEW_VALUES) < /dev/null

$(OUT)/report.html: $(OUT)/05_report.ipynb $(EXPORT_LIB)
	@exec $(RUN) -m lib.export $< --html '$@'
$(OUT)/report.pdf: $(OUT)/05_report.ipynb $(EXPORT_LIB)
	@exec $(RUN) -m lib.export $< --pdf '$@'

$(OUTPUTS)/index.html: $(OUT)/report.html $(OUT)/report.pdf lib/pipeline/index.py
	@$(RUN) -m lib.pipeline.index '$(@D)'

# --- work with the notebooks
.PHONY: lab
lab: $(STAMP) ## explore a finished study in JupyterLab
# guard: this-machine-alone
	$(BIN)/jupyter lab --ServerApp.ip=localhost --LabApp.default_url=/lab/tree/notebooks/explore.ipynb

.PHONY: readme-figures
readme-figures: $(STAMP) ## for authors: the README's pictures in docs/ from a finished study's figures
	@$(RUN) tools/readme_figures.py '$(OUT)' docs

.PHONY: refresh
refresh: $(STAMP) ## for authors: train the smoke runs anew and execute the committed notebooks in place (2 min)
	rm -rf outputs/smoke
	$(MAKE) train STUDY=smoke OUTPUTS=outputs RETRAIN=1
	for run in $$(cd outputs/smoke && ls -d */seed-*); do mkdir -p released/smoke/$$run; \
	  (cd outputs/smoke/$$run && cp run.json history.csv predictions.npz model.safetensors '$(CURDIR)'/released/smoke/$$run/); done
	$(RUN) tools/refresh.py notebooks/*.ipynb

# --- checks
.PHONY: test unit
test: unit nbval ## unit tests, the pipeline end to end on the smoke study, nbval on the notebooks, on two cores (8 min)
unit: $(TESTED) $(CLUSTER)
	$(RUN) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests

.PHONY: quick
quick: $(TESTED) ## the unit tests that start no process, kernel or browser
	$(RUN) -m pytest -q --numprocesses 2 --dist loadfile -m "not slow" tests

.PHONY: lint
lint: $(TESTED) ## ruff's rules and format, and the one way that imports run between the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

.PHONY: nbval
nbval: $(STAMP) ## only nbval: do the committed notebooks still print what they print? (1 min)
	rm -rf outputs/smoke
	REPORT_HEADLESS=1 REPORT_RETRAIN=1 $(RUN) -m pytest --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg -p no:cacheprovider notebooks/*.ipynb

.PHONY: bench
bench: $(STAMP) ## measure training, prediction and the stages beside a plain loop; draw docs/performance.png (30 min, a quiet machine)
	$(RUN) benchmarks/engine.py
	$(RUN) benchmarks/accuracy.py
	$(RUN) benchmarks/stages.py cifar100-small --outputs '$(OUTPUTS)'
	$(RUN) benchmarks/draw.py

.PHONY: fuzz soak audit
fuzz: $(TESTED) ## 10,000 parameter files and 10,000 damaged artefacts: none is accepted wrongly, none ends in a traceback (5 min)
	FUZZ=10000 $(RUN) -m pytest -q tests/base/test_fuzz.py
soak: $(STAMP) ## a hundred kills at random moments, and the same bits at the end (10 min)
	@exec $(RUN) benchmarks/soak.py
audit: $(STAMP) ## known vulnerabilities in the locked packages: pip-audit in an environment of its own, over the network
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; $(RUN) -m venv "$$folder" && "$$folder/bin/pip" install --quiet --disable-pip-version-check pip-audit && \
	  "$$folder/bin/pip-audit" --strict --disable-pip --require-hashes --progress-spinner off -r requirements.txt || { \
	  echo "The audit did not pass: see above whether something was found, or whether the network or PyPI's list of vulnerabilities is out of reach" >&2; exit 1; }

.PHONY: lock
lock: ## for authors: the three lock files from their .in (needs uv)
	for part in requirements requirements-test requirements-cluster; do \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $$part.in -o $$part.txt; done

# --- away with it
.PHONY: clean distclean
clean: ## delete the study's results
	rm -rf '$(OUT)' '$(OUTPUTS)/index.html'
	@! ls '$(OUTPUTS)'/*/report.html > /dev/null 2>&1 || $(RUN) -m lib.pipeline.index '$(OUTPUTS)'
distclean: ## delete the results of all studies and .venv; data/ stays
	rm -rf $(foreach study,$(STUDIES),'$(OUTPUTS)/$(study)') '$(OUTPUTS)/index.html' .venv
endif
