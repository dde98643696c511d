# All commands of the project. Paths are relative, so a checkout may lie anywhere, spaces included.

PYTHON ?= python3
# More for pytest, such as: make test ARGS="tests/core -k lease"
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install dev run test test-slow faults lint audit audited check requirements clean

help:
	@echo "make run        install, start everything on this machine, make a sample edit, serve"
	@echo "make test       all tests but those of minutes and those for a GPU"
	@echo "make test-slow  the tests of minutes"
	@echo "make faults     break the running service in every way, 20 minutes"
	@echo "make check      lint, types, import directions, known vulnerabilities and tests"
	@echo "make lint       check without tests and vulnerabilities"
	@echo "make audit      known vulnerabilities in what is pinned; needs the internet"
	@echo "make requirements  the images' pins with their hashes, from constraints.txt"
	@echo "make install    the environment in .venv alone"
	@echo "make clean      remove the environment and caches; pictures in data/ stay"

run: install
	@.venv/bin/python -m deploy.local

# A file's tests stay together, for they share what they have started. ARGS="-n0": one process.
SIDE_BY_SIDE = -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: dev
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m "not slow and not gpu" $(SIDE_BY_SIDE) \
	  --cov --cov-report=term $(ARGS)

test-slow: dev
	.venv/bin/python -m pytest -m "slow and not gpu" $(ARGS)

faults: dev
	mkdir -p build
	BARET_FAULTS_REPORT=build/faults.md .venv/bin/python -m pytest -m "not gpu" tests/faults $(ARGS)

lint: dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

audit: dev
	.venv/bin/python -m tools.audit

# Where no advisories can be had (exit code 3) that is said, and nothing fails for it.
audited: dev
	.venv/bin/python -m tools.audit || [ $$? -eq 3 ]

check: lint audited test

# Hashes are those of PyPI's own files, whatever index this machine is set up for.
# More for the images, such as: make requirements EXTRAS="--extra c2pa --extra tracing"
EXTRAS ?=
PINS = .venv/bin/uv pip compile --no-config --default-index https://pypi.org/simple \
  --no-emit-index-url --no-emit-find-links --generate-hashes --no-annotate --quiet \
  --custom-compile-command "make requirements" --python-version 3.11 \
  --python-platform x86_64-manylinux_2_28 -c constraints.txt pyproject.toml deploy/build.in $(EXTRAS)

requirements: dev
	$(PINS) -o deploy/requirements-api.txt
	$(PINS) --extra worker -o deploy/requirements-worker.txt

# --no-compile: most modules of torch and transformers are never imported; those that are compile
# themselves at first use. It halves the time of the installation.
install: .venv/.installed
dev: .venv/.installed-dev

.venv/.installed: .venv/.made pyproject.toml constraints.txt
	@echo "Installing; a minute where the packages are at hand."
	@.venv/bin/python -m pip install --no-compile --quiet -c constraints.txt -e '.[worker,local]'
	@touch $@

.venv/.installed-dev: .venv/.made pyproject.toml constraints.txt
	.venv/bin/python -m pip install --no-compile --quiet -c constraints.txt -e '.[worker,local,dev]'
	@touch .venv/.installed $@

# Debian splits `venv` and pip off. Without them an environment is made bare and pip is fetched.
.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "BARET needs Python 3.11 or newer, and '$(PYTHON)' is not. Name another one:"; \
	  echo "  make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 \
	  || { $(PYTHON) -m venv --clear --without-pip .venv \
	       && $(PYTHON) tools/fetch_pip.py .venv/bin/python; } \
	  || { rm -rf .venv; \
	       echo "'$(PYTHON)' cannot make a virtual environment. On Debian and Ubuntu, as root:"; \
	       echo "  apt-get install python3-venv"; exit 1; }
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache \
	  .import_linter_cache .hypothesis
