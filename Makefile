# Holdfast. Needs Python 3.11 or newer, git and make; everything else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# The locked requirements are newer than the stamp: install again.
RUNTIME := $(VENV)/runtime.stamp
DEVELOPMENT := $(VENV)/development.stamp
PROOF := $(VENV)/proof.stamp

# Without its compiled files, each of the thousand processes of a test run would compile Holdfast again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

.PHONY: install
install: $(DEVELOPMENT) ## Install Holdfast and its tools into .venv

.PHONY: run
run: $(RUNTIME) ## Start Holdfast with its embedded PostgreSQL: no Azure, no Redis, no settings
	@exec $(BIN)/holdfast serve

.PHONY: test
test: $(DEVELOPMENT) ## Run all tests, against a real PostgreSQL and a real Redis
	@$(BIN)/python -m pytest --numprocesses 4 --dist worksteal

.PHONY: services
services: ## Install the MariaDB, RabbitMQ, Prometheus and PgBouncer that some tests start (as root, on Debian)
	@.ci/services

HELM_VERSION := v3.22.0

.PHONY: helm
helm: $(DEVELOPMENT) ## Build Helm with Go, some minutes once, for the tests of the chart
	@[ -x $(BIN)/helm ] || GOBIN=$(abspath $(BIN)) go install helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

.PHONY: wheel
wheel: $(DEVELOPMENT) ## Build the wheel into dist/
	@$(BIN)/python -m hatchling build -t wheel

.PHONY: conformance
conformance: $(DEVELOPMENT) ## Try clients of Azure's and generated ones: JavaScript, TypeScript, Go, Java (with Maven), Python, az
	@$(BIN)/python -m tests.conformance $(CLIENTS) $(if $(WITHIN),--within $(WITHIN))

.PHONY: check
check: $(DEVELOPMENT) ## Check format, lint, types and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: demo
demo: $(DEVELOPMENT) ## Kill a vault under load, and see every read answered
	@$(BIN)/python -m examples.demo

.PHONY: bench
bench: $(DEVELOPMENT) ## Measure, and print ratios
	@$(BIN)/python -m benchmarks

.PHONY: metrics
metrics: $(DEVELOPMENT) ## Count lines, modules and calls of a request, against another checkout: AGAINST=FOLDER
	@$(BIN)/python -m benchmarks.metrics $(if $(AGAINST),--against $(AGAINST))

.PHONY: proof
proof: $(DEVELOPMENT) ## Try the stateful models, then nodes in virtual time, then histories of real processes, with random seeds: SEEDS=A:B, WITHIN=SECONDS
	@$(BIN)/python -m tests.proof $(if $(SEEDS),--seeds $(SEEDS)) $(if $(WITHIN),--within $(WITHIN))
	@$(BIN)/python -m tests.proof.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(WITHIN),--within $(WITHIN))
	@$(BIN)/python -m tests.proof.history $(if $(SEEDS),--seeds $(SEEDS)) $(if $(WITHIN),--within $(WITHIN))

.PHONY: simulation
simulation: $(DEVELOPMENT) ## Nodes in virtual time alone; seeds that have a verdict on this commit are passed over
	@$(BIN)/python -m tests.proof.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(WITHIN),--within $(WITHIN))

.PHONY: histories
histories: $(DEVELOPMENT) ## Histories of real processes alone; seeds that have a verdict on this commit are passed over
	@$(BIN)/python -m tests.proof.history $(if $(SEEDS),--seeds $(SEEDS)) $(if $(WITHIN),--within $(WITHIN))

.PHONY: matrix
matrix: $(DEVELOPMENT) ## Every operation under every fault of every part, 30 minutes at most; goes on where it ended: FAULTS=TEXT, WITHIN=SECONDS
	@$(BIN)/python -m tests.proof.matrix $(if $(FAULTS),--faults $(FAULTS)) $(if $(WITHIN),--within $(WITHIN))

.PHONY: mutants
mutants: $(PROOF) ## Change the core in one place at a time and see a test notice, for an hour, going on next time: WITHIN=SECONDS
	@$(BIN)/python -m tests.proof.mutation $(if $(WITHIN),--within $(WITHIN))

.PHONY: proof-mutants
proof-mutants: $(DEVELOPMENT) ## Break each promise on purpose, and see its test fail: PROMISES="I1 I2"
	@$(BIN)/python -m tests.proof.mutants $(PROMISES)

.PHONY: fuzz
fuzz: $(PROOF) ## Fuzz every parser of outside bytes: FUZZ_SECONDS=20 for each, ONLY=NAME
	@$(BIN)/python -m tests.fuzz $(if $(FUZZ_SECONDS),--seconds $(FUZZ_SECONDS)) $(if $(ONLY),--only "$(ONLY)")

.PHONY: overload
overload: $(DEVELOPMENT) ## Stampedes, storms of retries, 20,000 queued writes, a day without Key Vault: an hour; PARTS="storms stampede queue day"
	@$(BIN)/python -m tests.proof.overload $(PARTS)

.PHONY: kills
kills: $(DEVELOPMENT) ## Kill processes under load, KILLS=1000 of them in WITHIN=1800 seconds; on one commit it goes on where it ended
	@$(BIN)/python -m tests.proof.kills $(if $(KILLS),--kills $(KILLS)) $(if $(WITHIN),--within $(WITHIN))

.PHONY: format
format: $(DEVELOPMENT) ## Format the code and fix what the linter can fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: docs
docs: $(DEVELOPMENT) ## Write the tables of the documents again, from the tables of the code
	@$(BIN)/python -m tests.support.reference

# One resolution for Python 3.11 to 3.13 on all platforms. No index is named here or in the result.
COMPILE_ALONE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
COMPILE = $(COMPILE_ALONE) pyproject.toml --all-extras

.PHONY: lock
lock: $(DEVELOPMENT) ## Resolve the dependencies again and write requirements/
	@$(COMPILE) --upgrade --group build --output-file requirements/runtime.txt
	@$(COMPILE) --upgrade --group build --group dev --constraints requirements/runtime.txt \
		--output-file requirements/dev.txt
	@$(COMPILE_ALONE) --upgrade --group proof --output-file requirements/proof.txt
	@for each in airflow ansible azure-cli generated/generator python; do $(COMPILE_ALONE) --upgrade tests/conformance/$$each/requirements.in \
		--output-file tests/conformance/$$each/requirements.txt || exit 1; done

.PHONY: clean
clean: ## Remove the environment and every cache; data folders stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit("Holdfast needs Python 3.11 or newer: make PYTHON=<path>" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements/runtime.txt pyproject.toml | $(VENV)/pyvenv.cfg
	@$(PIP) install --quiet --require-hashes -r requirements/runtime.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): requirements/dev.txt $(RUNTIME)
	@$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

$(PROOF): requirements/proof.txt $(DEVELOPMENT)
	@$(PIP) install --quiet --require-hashes -r requirements/proof.txt
	@touch $@
