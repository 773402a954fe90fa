# What authors do now and then. Part of the Makefile.
.PHONY: refresh readme-figures bench fuzz soak audit lock
refresh: $(STAMP) ## for authors: train the smoke runs anew and execute the committed notebooks in place (2 min)
	rm -rf outputs/smoke
	$(MAKE) train STUDY=smoke OUTPUTS=outputs RETRAIN=1
	for run in $$(cd outputs/smoke && ls -d */seed-*); do mkdir -p released/smoke/$$run; \
	  (cd outputs/smoke/$$run && cp run.json history.csv predictions.npz model.safetensors '$(CURDIR)'/released/smoke/$$run/); done
	rm -rf outputs/smoke  # 01 is committed as it trains, which is how nbval runs it
	REPORT_RETRAIN=1 $(PY) tools/refresh.py notebooks/*.ipynb
readme-figures: $(STAMP) ## for authors: the README's pictures in docs/ from a finished study's figures
	@$(PY) tools/readme_figures.py '$(OUT)' docs
bench: $(STAMP) ## measure training, prediction and the stages beside a plain loop; draw docs/performance.png (30 min, a quiet machine)
	$(PY) benchmarks/engine.py
	$(PY) benchmarks/accuracy.py
	$(PY) benchmarks/stages.py
	$(PY) benchmarks/draw.py
fuzz: $(TESTED) ## 10,000 parameter files and 13,000 damaged artefacts: none is accepted wrongly, none ends in a traceback (5 min)
	FUZZ=10000 $(PY) -m pytest -q tests/base/test_fuzz.py
soak: $(STAMP) ## a hundred kills at random moments, and the same bits at the end (10 min)
	@exec $(PY) benchmarks/soak.py
audit: $(STAMP) ## known vulnerabilities in the locked packages: pip-audit in an environment of its own, over the network
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; $(PY) -m venv "$$folder" && "$$folder/bin/pip" install --quiet --disable-pip-version-check pip-audit && \
	  "$$folder/bin/pip-audit" --strict --disable-pip --require-hashes --progress-spinner off -r requirements.txt || { \
	  echo "The audit did not pass: see above whether something was found, or whether the network or PyPI's list of vulnerabilities is out of reach" >&2; exit 1; }
lock: ## for authors: the three lock files from their .in (needs uv)
	for part in requirements requirements-test requirements-cluster; do \
	  uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $$part.in -o $$part.txt; done
