# The front door: `make` lists what it opens. Every target makes what it needs first.

PYTHON ?= python3
PORT = 8000
DATA = data
WORKERS = 3
API_WORKERS = 1
DEVICE = cpu

BIN := .venv/bin
INSTALLED := .venv/.installed

# Compiled modules are kept, whatever the environment says: hundreds of processes load them.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: bench-train bench-long bench-series bench-tables vendor help install demo up test check lint types format bench-learning bench-real bench-encode bench-serving bench-store bench-connections logs backup restore lock chaos fuzz soak compose-test bench-estimators docs

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make the environment .venv, with pinned versions

# Everything with its hash, but torch and the libraries that its build for CUDA brings: each index has files of its own.
$(INSTALLED): pyproject.toml client/pyproject.toml constraints.txt requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable ./client --editable '.[embedded,demo,dev]'
	@touch $@

lock: .venv-lock ## Write requirements.lock anew, after a change of constraints.txt
	grep -v '^torch==' constraints.txt | .venv-lock/bin/uv pip compile --quiet - --no-config --no-deps --universal --python-version 3.11 \
		--generate-hashes --no-annotate --custom-compile-command 'make lock' --output-file requirements.lock

.venv-lock:
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet uv==0.13.9

demo: $(INSTALLED) ## Train on real data, learnable against static, and show what was learnt; KEEP=1 stays up to be looked at
	$(BIN)/python -m examples.demo $(if $(KEEP),--keep)

# exec: signals sent to make reach the service itself.
up: $(INSTALLED) ## Run the whole service in the foreground: make up PORT=8123 DATA=dir API_WORKERS=2
	@exec $(BIN)/python -m app.embedded --port '$(PORT)' --data '$(DATA)' --api-workers '$(API_WORKERS)'

# One thread per test process: more would only compete for the same cores. Files stay whole, for what their tests
# share, and in their order, since the long ones are not the last.
test: $(INSTALLED) ## Run all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

check: lint types test ## Everything that must pass: format, lint, types, imports, documents, tests

lint: $(INSTALLED) ## Check format, style, docstrings and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: $(INSTALLED) ## Check types
	$(BIN)/mypy

format: $(INSTALLED) ## Put the code into its format, and mend what can be mended by rule
	$(BIN)/python client/synchronize.py
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

vendor: ## Renew the page's libraries in the tree, from the npm registry, by their digests
	$(PYTHON) tools/vendor.py

# The documents as they lie in the repository, so that their links lead to the same places.
docs: .venv-docs ## Build the documentation into site/
	rm -rf build/docs
	mkdir -p build/docs/benchmarks build/docs/examples
	cp -R docs deploy README.md CONTRIBUTING.md SECURITY.md THREATS.md CHANGELOG.md build/docs
	cp benchmarks/RESULTS.md build/docs/benchmarks
	cp examples/README.md build/docs/examples
	.venv-docs/bin/mkdocs build --quiet --strict

.venv-docs: docs/requirements.txt
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --no-deps --requirement $<
	@touch $@

bench-codes: $(INSTALLED) ## Compare the codes with classical quantisers at equal bits on real tables
	$(BIN)/python -m pip install --quiet --no-deps --requirement benchmarks/requirements.txt
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.codes

bench-tables: $(INSTALLED) ## Upload and train on tables with text, dates and missing cells
	$(BIN)/python -m pip install --quiet --no-deps --requirement benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.mixed_tables

bench-real: $(INSTALLED) ## Compare learnt groupings with the usual ones on real tables
	$(BIN)/python -m pip install --quiet --no-deps --requirement benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.real

bench-estimators: $(INSTALLED) ## Compare the estimators of the assignment's gradient
	$(BIN)/python -m pip install --quiet --no-deps --requirement benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.estimators

bench-learning: $(INSTALLED) ## Measure how well the assignment is learnt on planted tables
	$(BIN)/python -m benchmarks.learning

bench-series: $(INSTALLED) ## Measure planted categories and codes of real sets of series and grids
	$(BIN)/python -m pip install --quiet --no-deps --requirement benchmarks/requirements.txt
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.series

bench-long: $(INSTALLED) ## Measure memory and time of runs on long tables and on many series
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.long_tables

bench-train: $(INSTALLED) ## Compare training steps with a loop over categories and the machine's peak; DEVICE=cuda
	$(BIN)/python -m benchmarks.train_steps --device '$(DEVICE)'

bench-encode: $(INSTALLED) ## Compare engines of the frozen encoder with their bare matrix products
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.encode

bench-serving: $(INSTALLED) .venv-peers ## Compare the service with other servers of the same model, one core for each side
	$(BIN)/python -m benchmarks.serving

.venv-peers: benchmarks/serving/requirements.txt
.venv-generator: tests/client/generated/requirements.txt
.venv-peers .venv-generator:
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --requirement $<
	@touch $@

bench-connections: $(INSTALLED) ## Hold thousands of idle, slow and hostile connections open while honest clients are served
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.connections

bench-store: $(INSTALLED) ## Measure what queues, lists and waiting for news cost: make bench-store DATABASE=url
	$(BIN)/python -m benchmarks.waiting
	$(BIN)/python -m benchmarks.store $(if $(DATABASE),--database '$(DATABASE)')

# Every line of the log is one JSON document that begins with its time.
logs: ## Show all that was logged about a job: make logs JOB=job_... DATA=dir
	@cat '$(DATA)'/logs/*.log* | grep -F '$(JOB)' | sort

backup: $(INSTALLED) ## Copy everything into a new directory while the service runs: make backup DATA=dir TO=copy
	@CATVQ_DATA_DIR='$(DATA)' $(BIN)/python -m worker.store backup '$(TO)'

restore: $(INSTALLED) ## Fill an empty data directory from a backup: make restore DATA=dir FROM=copy
	@CATVQ_DATA_DIR='$(DATA)' $(BIN)/python -m worker.store restore '$(FROM)'

chaos: $(INSTALLED) ## Kill everything again and again while jobs run, and compare them with their twins; HOSTS=1 on two machines
	$(BIN)/python -m tests.chaos $(if $(DATABASE),--database '$(DATABASE)') $(if $(HOSTS),--hosts) $(if $(BESIDE),--beside '$(BESIDE)')

fuzz: $(INSTALLED) ## Send generated requests and damaged files by the thousand
	$(BIN)/python -m tests.fuzz

soak: $(INSTALLED) ## Ask an API process for all formats at once, badly and in vain too, and watch its memory
	$(BIN)/python -m tests.soak

compose-test: ## Bring the containers up, train a model, restart, and take them down
	$(PYTHON) tests/compose/run.py
