# What is checked: tests, lint, the committed notebooks. Part of the Makefile.
.PHONY: test unit quick lint nbval
# many processes read the same modules: whoever writes no byte code otherwise does so here
TESTS := env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest -p no:nbval
test: unit nbval ## unit tests, the pipeline end to end on the smoke study, nbval on the notebooks, on two cores (12 min)
unit: $(TESTED) $(CLUSTER)
	$(TESTS) --numprocesses 2 --dist loadfile --no-loadscope-reorder tests
quick: $(TESTED) ## the unit tests that neither start a process, kernel or browser nor compute for a second (1 min)
	$(TESTS) -q --numprocesses 2 --dist loadfile -m "not slow" tests
lint: $(TESTED) ## ruff's rules and format, and the one way that imports run between the rooms
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/lint-imports --no-cache
nbval: $(STAMP) ## only nbval: do the committed notebooks still print what they print? (1 min)
	rm -rf outputs/smoke
	REPORT_HEADLESS=1 REPORT_RETRAIN=1 $(PY) -m pytest --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg -p no:cacheprovider notebooks/*.ipynb
