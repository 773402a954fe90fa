# A stress test for image classifiers. `make help` lists the verbs; a study is params/<study>.yaml.
# guard: no-start-up-file
SHELL := /bin/bash -p
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDEXPANSION:
MAKEFLAGS += --no-builtin-rules

STUDY   ?= phantom
OUTPUTS ?= outputs
VENV    ?= .venv
PYTHON  ?= python3
JOBS    ?= 2
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += --jobs=$(JOBS)
endif

# Names become targets and words of a shell: one word, and a study that there is.
STUDIES := $(basename $(notdir $(wildcard params/*.yaml)))
riddles := : % ; $$ ~ \# * ? [ ] \ ' " & | < >
unfit    = $(filter-out 1,$(words $(value $(1))))$(strip $(foreach c,$(riddles),$(findstring $(c),$(value $(1)))))
# guard: plain-study-name
$(foreach name,STUDY OUTPUTS VENV $(if $(value DATA),DATA),$(if $(call unfit,$(name)),$(error $(name): make needs one word without $(riddles), and got "$(value $(name))"; a link to that folder helps)))
$(if $(filter-out $(STUDIES),$(STUDY)),$(error there is no study "$(STUDY)"; there are: $(STUDIES)))

PY  := $(VENV)/bin/python
# in surroundings that are the project's own, whatever the user's say
RUN := $(PY) -IS lib/base/environment.py
# A shell between make and a job would be what make's signals reach; REPORT_MAKE tells the job whom to end with.
# guard: end-with-make
JOB := REPORT_MAKE=$$PPID exec $(RUN)
OUT := $(OUTPUTS)/$(STUDY)
export PYTHONPATH := $(CURDIR)
export REPORT_TENSORBOARD := $(TENSORBOARD)
export REPORT_RETRAIN := $(or $(RETRAIN),$(REPORT_RETRAIN))
$(if $(value DATA),$(eval export CIFAR100_ROOT := $(abspath $(DATA))))

help: ## this list
	@echo "make <verb> [STUDY=$(subst $() ,|,$(STUDIES))] [ARMS='some arms'] [SEEDS='seeds'] [DATA=folder of cifar-100-python] [OUTPUTS=folder] [VENV=folder] [JOBS=2] [RETRAIN=1] [ON=dask]"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 18

# --- environment: done means that the locks' content is installed, whatever the files' times say
STAMP   := $(VENV)/.lock-$(firstword $(shell cksum < requirements.txt))
TESTED  := $(VENV)/.test-$(firstword $(shell cat requirements.txt requirements-test.txt | cksum))
CLUSTER := $(VENV)/.cluster-$(firstword $(shell cat requirements.txt requirements-cluster.txt | cksum))
# guard: stamp-follows-python
BROKEN  := $(if $(wildcard $(STAMP)),$(if $(shell $(PY) -I lib/base/environment.py whole 2> /dev/null),,FORCE))
setup: $(STAMP) ## the environment: .venv from the lock (3 min, 6 GB)
$(STAMP): $(BROKEN)
	$(PYTHON) -IS lib/base/environment.py fill '$(VENV)' && rm -f '$(VENV)'/.lock-* && touch '$@'
setup-test: $(TESTED) $(CLUSTER) ## what the tests need besides
$(TESTED) $(CLUSTER): | $(STAMP)
	$(RUN) -m pip install --quiet --require-hashes -r requirements-$(firstword $(subst -, ,$(subst .,,$(@F)))).txt && touch '$@'
FORCE:
# --- the study's arms and seeds: checked before anything runs, and told to make by a fragment
CHOSEN  := $(if $(findstring command,$(origin ARMS)),--arms $(ARMS)) $(if $(findstring command,$(origin SEEDS)),--seeds $(SEEDS))
WANTED  := $(firstword $(shell { cat params/$(STUDY).yaml params/claims/* params/cases/*; echo '$(CHOSEN)'; } 2> /dev/null | cksum))
NEEDING := report check train $(OUT)/% $(OUTPUTS)/%
GOALS   := $(or $(MAKECMDGOALS),help)
$(if $(and $(filter clean distclean,$(GOALS)),$(filter-out clean distclean,$(GOALS))),$(error make clean by itself, and the rest after it))
$(if $(filter-out dask,$(ON)),$(if $(findstring ://,$(ON)),,$(error ON: got "$(ON)"; allowed: dask)))
DRY     := $(findstring n,$(firstword -$(MAKEFLAGS)))$(findstring q,$(firstword -$(MAKEFLAGS)))
# many machines: ON=dask finds or starts a cluster and makes the same goals anew with ON=<its address>
ifeq ($(ON)$(DRY),dask)
include tools/cluster.mk
else
-include $(if $(filter $(NEEDING),$(GOALS)),$(OUT)/.study.mk)
# a SEEDS of the user's surroundings is none of ours
$(if $(findstring command,$(origin SEEDS)),,$(eval SEEDS :=))
FOLDERS := $(foreach arm,$(filter-out $(BROUGHT),$(ARMS)),$(foreach seed,$(or $(SEEDS),$(SEEDS_$(arm))),$(OUT)/$(arm)/seed-$(seed)))
# a run that is not there is looked at anew: training that takes long begins where it is asked for, by make train
ABSENT  := $(filter-out $(wildcard $(addsuffix /run.json,$(FOLDERS))),$(addsuffix /run.json,$(FOLDERS)))
BEGIN   := $(if $(ON)$(filter train %/train.ipynb,$(GOALS)),any,short)
CHECKED := $(if $(and $(ABSENT),$(filter short,$(BEGIN))),$(and $(MAKE_RESTARTS),$(CHECKED)),$(CHECKED))
# guard: checked-first
$(OUT)/.study.mk: $(if $(filter-out $(CHECKED),$(WANTED)),FORCE) | $(STAMP)
	@$(RUN) -m lib check $(STUDY) --outputs '$(OUTPUTS)' $(CHOSEN) --begin $(BEGIN) --checked '$(WANTED)' < /dev/null
# another make that is refused must not delete what the first has written
.PRECIOUS: $(OUT)/.study.mk
ifneq ($(CHECKED),$(WANTED))
$(sort report check train $(filter $(OUTPUTS)/%,$(GOALS))): FORCE ; @echo "$(STUDY) did not pass the check: nothing was begun" >&2; exit 2
else
# --- what a change must rerun: a plot retrains nothing, an exporter recomputes nothing
in         = $(wildcard $(foreach room,$(1),$(addprefix lib/$(room)/,*.* */*.* */*/*.* */*/*/*.*)))
TRAIN_LIB := lib/model.py lib/cutmix.py lib/mixup.py lib/pipeline/execute.py $(call in,base data training)
VIEW_LIB  := $(TRAIN_LIB) lib/gradcam.py lib/study.py $(call in,evaluation diagnosis report)
RUNS      := $(addsuffix /train.ipynb,$(FOLDERS))
TAKEN     := $(foreach arm,$(filter $(BROUGHT),$(ARMS)),$(OUT)/$(arm)/seed-$(firstword $(SEEDS) $(SEEDS_$(arm)))/run.json)
VIEWS     := $(addprefix $(OUT)/,02_failures.ipynb 03_gradcam.ipynb 04_compare.ipynb)
OPTIONS   := --outputs '$(OUTPUTS)' $(CHOSEN)
# What is known by content, and files that may be there or not: a change changes the witness's name.
content = $(if $(1),$(shell $(PY) -IS lib/base/identity.py $(1)))
SEEN    := $(if $(TRAINS_WITH),$(OUT)/.pictures-$(call content,$(TRAINS_WITH)))
$(RUNS): $(SEEN)
LOOKUPS := $(wildcard $(addprefix $(or $(CIFAR100_ROOT),data)/,label_review.json duplicates_train_test.csv duplicates_test_test.csv))
WITNESS := $(OUT)/.lookups-$(firstword $(shell echo '$(LOOKUPS)' '$(call content,$(READS))' | cksum))
CLAIMED := $(if $(CLAIMS),$(OUT)/.claims-$(call content,$(CLAIMS)))
$(WITNESS) $(SEEN) $(CLAIMED):
	@mkdir -p '$(@D)' && rm -f '$(@D)/$(firstword $(subst -, ,$(@F)))'-* && touch '$@'
report: $(OUTPUTS)/index.html ## train the study's arms where that takes minutes, compare them, write report.html and report.pdf (phantom 5 min)
	$(if $(findstring q,$(DRY)),,@trap '' PIPE; printf '%s\n' '$(OUT)/report.html' '$(OUT)/report.pdf' 2> /dev/null || :)
check: report ## make the report if need be, then print the study's conditions: fails when one does not hold
	@$(RUN) -m lib conditions $(STUDY) --outputs '$(OUTPUTS)'
train: $(RUNS) $(TAKEN) ## only train the study's arms, however long it takes (cifar100-small 60 min)
$(RUNS): $(OUT)/%/train.ipynb: notebooks/01_train.ipynb $(TRAIN_LIB) $$(wildcard $(OUT)/$$*/train.yaml released/$(STUDY)/$$*/run.json) | $(STAMP) $(if $(ON),$(CLUSTER))
	@$(JOB) $(if $(ON),-m lib.pipeline.cluster run '$(ON)' '$@',-m lib run) $(STUDY) train --arm $(subst /seed-, --seed ,$*) $(OPTIONS) < /dev/null
# Runs that were taken over from released/ do not count when all are to be trained; 0, no and false mean no.
ifneq (,$(filter-out 0 no No NO false False FALSE,$(REPORT_RETRAIN)))
$(patsubst %/released.txt,%/train.ipynb,$(wildcard $(OUT)/*/seed-*/released.txt)): FORCE
endif
$(firstword $(TAKEN)): $(WITNESS) params/$(STUDY).yaml $(call in,data training) | $(STAMP)
	@$(JOB) -m lib run $(STUDY) arms $(OPTIONS) < /dev/null
$(wordlist 2,99,$(TAKEN)): $(firstword $(TAKEN)) ;
$(OUT)/02_failures.ipynb: $(RUNS) $(TAKEN) $(LOOKUPS) $(WITNESS)
$(OUT)/03_gradcam.ipynb $(OUT)/04_compare.ipynb: $(OUT)/02_failures.ipynb
$(OUT)/04_compare.ipynb $(OUT)/05_report.ipynb: $(CLAIMED)
$(OUT)/05_report.ipynb: $(VIEWS)
$(VIEWS) $(OUT)/05_report.ipynb: $(OUT)/%.ipynb: notebooks/%.ipynb $(VIEW_LIB) $$(wildcard $(OUT)/$$*.yaml) | $(STAMP)
	@$(JOB) -m lib run $(STUDY) $(lastword $(subst _, ,$*)) $(OPTIONS) < /dev/null
$(OUT)/report.html $(OUT)/report.pdf: $(OUT)/report.%: $(OUT)/05_report.ipynb $(call in,export)
	@exec $(RUN) -m lib.export $< --$* '$@'
$(OUTPUTS)/index.html: $(OUT)/report.html $(OUT)/report.pdf lib/pipeline/index.py
	@$(RUN) -m lib index '$(OUTPUTS)'
endif

# --- besides the study
.PHONY: help setup setup-test report check train verify data lab clean distclean
verify: $(STAMP) ## recompute the predictions of the study's released networks (two minutes each at full size)
	@$(RUN) -m lib verify $(STUDY)
data: $(STAMP) ## fetch or check CIFAR-100; say which reviews of its test split stand beside it, and where they come from
	@$(RUN) -m lib data
lab: $(STAMP) ## explore a finished study in JupyterLab
	@test "$$(id -u)" != 0 || { echo 'Jupyter does not serve root. Become another user; or, in a container of your own: $(PY) -m jupyterlab --allow-root' >&2; exit 2; }
# guard: this-machine-alone
	$(PY) -m jupyterlab --ServerApp.ip=localhost --LabApp.default_url=/lab/tree/notebooks/explore.ipynb
clean: ## delete the study's results
	rm -rf '$(OUT)' '$(OUTPUTS)/index.html'
	@! ls '$(OUTPUTS)'/*/report.html > /dev/null 2>&1 || $(RUN) -m lib index '$(OUTPUTS)'
distclean: ## delete the results of all studies and .venv; data/ stays
	rm -rf $(foreach study,$(STUDIES),'$(OUTPUTS)/$(study)') '$(OUTPUTS)/index.html' .venv
include tools/checks.mk tools/authors.mk
endif
