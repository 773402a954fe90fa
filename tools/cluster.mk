# The same goals with ON=<address of a cluster>. Part of the Makefile.
.PHONY: $(GOALS)
$(firstword $(GOALS)): $(CLUSTER)
	@exec $(RUN) -m lib.pipeline.cluster start $(if $(filter command environment,$(firstword $(origin JOBS))),--jobs $(JOBS)) $(STUDY) $(MAKE) $(GOALS)
$(filter-out $(firstword $(GOALS)),$(GOALS)): $(firstword $(GOALS))
