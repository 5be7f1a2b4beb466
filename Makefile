# Bootstraps itself: python3 >= 3.11 is all it needs. Each step has a stamp, so a second call is instant.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.installed

.PHONY: serve test operations e2e documents conformance figures browser quality isolation isolation-pgbouncer isolation-long analyses-long
.PHONY: faults soak bench wheel packages check reference audit lock clean
.DELETE_ON_ERROR:

# Serve the sample shop on an embedded PostgreSQL: make serve ARGS="--port 8080 --scale 10"
serve: $(SETUP)
	@exec $(BIN)/zava serve $(ARGS)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); $(PYTHON) -m virtualenv -q $(VENV); } 2>/dev/null \
	  || { echo "This Python has no venv module: apt-get install python3-venv (Debian), or pip install virtualenv" >&2; exit 1; }

$(BIN)/uv: | $(BIN)/python
	@echo "Installing pinned requirements into $(VENV) …" >&2
	@sed -n '/^uv==/,/# via/p' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt

$(SETUP): requirements.lock pyproject.toml | $(BIN)/uv
	@$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

# Unit and contract tests, against a real PostgreSQL that they start themselves.
test: $(SETUP)
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile -m "not operations" tests/unit tests/contract

# What operators do with a database: prepare, fill, back up, pool, replicate, distribute and upgrade it.
operations: $(SETUP)
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile -m operations tests/contract

BLOCKS  := tests/e2e/test_command_blocks.py
ANSWERS := tests/figures/test_reference_answers.py

# The program as people run it: in a process of its own, asked by real clients.
e2e: $(SETUP)
	@$(BIN)/python -m pytest -q -n 3 --dist loadfile --ignore $(BLOCKS) tests/e2e

# Are the documents true? Commands of README and tutorial, word for word, and what the tools answer to their examples.
documents: $(SETUP)
	@$(BIN)/python -m pytest -q $(BLOCKS) $(ANSWERS)

# What the protocol asks of any server, by its own suite of npm, and clients that others wrote.
CONFORMANCE := tests/conformance
$(CONFORMANCE)/node_modules/.package-lock.json: $(CONFORMANCE)/package.json $(CONFORMANCE)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed: apt-get install npm (Debian)" >&2; exit 1; }
	@# Not npm ci: it misses a part for Windows of the Inspector's, which is not served.
	@cd $(CONFORMANCE) && npm install --no-save --silent --no-audit --no-fund --ignore-scripts
	@touch $@

conformance: $(SETUP) $(CONFORMANCE)/node_modules/.package-lock.json
	@$(BIN)/python -m pytest -q -n 2 $(CONFORMANCE)

# The pages, in the Chromium of this machine; skipped where there is none. Pictures of them go to build/pictures.
browser: $(SETUP)
	@$(BIN)/python -m pytest -q tests/browser

# Attacks on free SQL, each layer alone, and the queries of analysts: what must not come through, and what must.
# One test at a time: attacks are timed, and two that exhaust the machine at once would be blamed for each other.
isolation: $(SETUP)
	@$(BIN)/python -m pytest -q tests/isolation

# Are the figures right to the cent? A hundred questions, parts and wholes, and analyses at random, against plain SQL.
figures: $(SETUP)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --ignore $(ANSWERS) tests/figures

# Every attack by everybody, through PgBouncer: half an hour, about. `make isolation` has a part of it.
isolation-pgbouncer: $(SETUP)
	@ISOLATION=long $(BIN)/python -m pytest -q -rP tests/isolation/test_pgbouncer.py

# What if parts fail? PostgreSQL is killed, connections are cut, clocks jump, the server is stopped under load. The disk
# that is full is mounted by root. FAULTS=short: a minute or two.
faults: $(SETUP)
	@$(BIN)/python -m pytest -q $(if $(filter short,$(FAULTS)),-m 'not long') --ignore tests/faults/test_soak.py tests/faults

# Ten thousand calls, after which memory, files and connections are what they were.
soak: $(SETUP)
	@$(BIN)/python -m pytest -q -rP tests/faults/test_soak.py

# How good is the product search? Judged queries with the local model, and `zava embed` from end to end.
quality: $(SETUP)
	@$(BIN)/python -m pytest -q -rP tests/search

# What takes too long for every change: an hour, about.
isolation-long: $(SETUP)
	@ORACLE_QUERIES=5000 $(BIN)/python -m pytest -q -rP tests/isolation/test_oracle.py
	@ISOLATION=long $(BIN)/python -m pytest -q --ignore tests/isolation/test_oracle.py tests/isolation

# Thousands of analyses against plain SQL: five minutes, about.
analyses-long: $(SETUP)
	@ANALYSES=4000 $(BIN)/python -m pytest -q --timeout 3600 tests/figures/test_random_analyses.py

# How fast are we beside others? A quarter of an hour on a quiet machine: make bench ARGS=--quick for a first look.
bench: $(SETUP)
	@command -v npm >/dev/null || { echo "npm is needed: apt-get install npm (Debian)" >&2; exit 1; }
	@$(BIN)/python benchmarks/peers.py --write $(ARGS)

# The wheel and the sdist, into dist.
wheel: $(SETUP)
	@$(BIN)/python -m hatchling build

# The wheel and the sdist, installed into empty environments: served, asked, and without any extra.
packages: $(SETUP)
	@$(BIN)/python -m pytest -q tests/packaging

# Format, lint, types and the direction of imports.
check: $(SETUP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# What docs/reference says of the code; with ARGS=--answers what the tools answer to their examples, too.
reference: $(SETUP)
	@$(BIN)/python -m tests.reference $(ARGS)

# Known vulnerabilities of what is locked, by the Python Packaging Advisory Database. Needs a network that reaches it.
audit: | $(BIN)/uv
	@$(BIN)/uv tool run pip-audit --strict --requirement requirements.lock --require-hashes --disable-pip

lock: | $(BIN)/uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --group dev --generate-hashes \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) build
