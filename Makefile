# ferturb: `make study` and `make test` are all a fresh machine needs (Python 3.11+, git, make).

PYTHON ?= python3
VENV   ?= .venv
DATA   ?= synthetic
PRESET ?= quick
OUT    ?= study
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

# Processes that test. Three on two cores take as long.
PROCESSES ?= 2

# One thread each: more threads than cores would wait for each other. Bytecode is kept whatever the
# environment says: some hundred processes start.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n $(PROCESSES) --dist worksteal --quiet

.PHONY: setup study test check types tests fast-tests audit lock bench docs clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ferturb needs Python 3.11 or newer; call make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# The main job: faces to report. DATA is a path (zip, folder, CSV, parquet) or `synthetic`.
study: $(READY)
	$(BIN)/ferturb study $(PRESET) --data $(DATA) --out $(OUT)

# Everything CI runs. Types are checked beside the tests, in the time that they leave.
test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --no-print-directory -j 2 types tests

# The same without what takes more than a few seconds.
check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --no-print-directory -j 2 types fast-tests

types: $(READY)
	nice -n 10 $(BIN)/mypy

tests: $(READY)
	$(PYTEST)

fast-tests: $(READY)
	$(PYTEST) -m 'not slow and not real_data'

# Known holes in the pinned versions; without the advisory service it says so and goes on.
audit: $(READY)
	$(BIN)/python tools/audit_dependencies.py

# constraints.txt anew, with as few changes as pyproject.toml asks for; UPGRADE=--upgrade takes the newest.
# It needs uv (python -m pip install uv), which reads the hashes of all platforms' files from the registry.
lock:
	uv pip compile --no-config --quiet --universal --generate-hashes --python-version 3.11.0 --extra dev \
	  --no-emit-package pip --no-annotate --custom-compile-command 'make lock' $(UPGRADE) \
	  --output-file constraints.txt pyproject.toml

# The documentation, to be opened at site/index.html; what is made from the program is written first.
# site/try is the page without a server; it takes a file from npm and is left out where there is none.
docs: $(READY)
	$(BIN)/python tools/write_docs.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	$(BIN)/ferturb app --export site/try || echo "the documentation comes without site/try"

bench: $(READY)
	$(BIN)/python benchmarks/training.py --data $(DATA)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist site
