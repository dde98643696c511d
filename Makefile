# The project's commands. Paths are relative, so a checkout may be anywhere, even with spaces.

PYTHON ?= python3
# Extra arguments for pytest, such as: make test ARGS="tests/core -k lease"
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Without .pyc files every process compiles what it imports: 25 seconds for one that uses torch.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install dev run test coverage test-slow faults docs lint audit audited check requirements client \
  screenshots clean

help:
	@echo "make run           install, start everything on this machine, make a sample edit, serve"
	@echo "make test          run all tests except slow ones and those that need a GPU"
	@echo "make coverage      the same, and say which lines no test reached"
	@echo "make test-slow     run the tests that take minutes"
	@echo "make faults        break the running service in every way and check each edit; 20 minutes"
	@echo "make docs          build the documentation for the web and serve it on port 8001"
	@echo "make check         check style, types, import directions and vulnerabilities; run the tests"
	@echo "make lint          check style, types and import directions"
	@echo "make audit         look for known vulnerabilities in pinned packages; needs the internet"
	@echo "make requirements  write the container images' pins and hashes from constraints.txt"
	@echo "make screenshots   make the README's pictures of the page at /; needs a running service"
	@echo "make install       create the environment in .venv, nothing more"
	@echo "make client        build the Python client's wheel in dist/"
	@echo "make clean         remove the environment and caches; images in data/ stay"

run: install
	@.venv/bin/python -m deploy.local

# A file's tests run in one process because they share what they start. ARGS="-n0": one process.
SIDE_BY_SIDE = -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: dev
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m "not slow and not gpu" $(SIDE_BY_SIDE) \
	  --durations=25 $(ARGS)

coverage: dev
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -m "not slow and not gpu" $(SIDE_BY_SIDE) \
	  --cov --cov-report=term $(ARGS)

test-slow: dev
	.venv/bin/python -m pytest -m "slow and not gpu" $(ARGS)

faults: dev
	mkdir -p build
	BARET_FAULTS_REPORT=build/faults.md .venv/bin/python -m pytest -m "not gpu" tests/faults $(ARGS)

docs: dev
	.venv/bin/python -m tools.site
	.venv/bin/python -m http.server --bind 127.0.0.1 --directory build/site/html 8001

lint: dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

audit: dev
	.venv/bin/python -m tools.audit

# If advisories are unavailable (exit code 3), the audit says so and nothing fails.
audited: dev
	.venv/bin/python -m tools.audit || [ $$? -eq 3 ]

check: lint audited test

# The hashes are those of PyPI's own files, whatever index this machine uses. The client is installed
# from this tree.
# Further extras for the images, such as: make requirements EXTRAS="--extra c2pa"
EXTRAS ?=
PINS = .venv/bin/uv pip compile --no-config --default-index https://pypi.org/simple \
  --no-emit-index-url --no-emit-find-links --no-emit-package baret-client \
  --generate-hashes --no-annotate --quiet \
  --custom-compile-command "make requirements" --python-version 3.11 \
  --python-platform x86_64-manylinux_2_28 -c constraints.txt pyproject.toml deploy/build.in \
  --extra tracing $(EXTRAS)

requirements: dev
	$(PINS) -o deploy/requirements-api.txt
	$(PINS) --extra worker -o deploy/requirements-worker.txt

client: dev
	.venv/bin/python -m pip wheel --no-deps --quiet --wheel-dir dist ./client

# --no-compile halves the installation time: most modules of torch and transformers are never
# imported, and the others compile at first use.
install: .venv/.installed
dev: .venv/.installed-dev

.venv/.installed: .venv/.made pyproject.toml client/pyproject.toml constraints.txt
	@echo "Installing; this takes a minute if the packages are cached."
	@.venv/bin/python -m pip install --no-compile --quiet -c constraints.txt -e client -e '.[worker,local]'
	@touch $@

.venv/.installed-dev: .venv/.made pyproject.toml client/pyproject.toml constraints.txt
	.venv/bin/python -m pip install --no-compile --quiet -c constraints.txt -e client -e '.[worker,local,dev]'
	@touch .venv/.installed $@

# Debian packages `venv` and pip separately. Without them, create a bare environment and fetch pip.
.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "BARET needs Python 3.11 or newer; '$(PYTHON)' is older. Name another one:"; \
	  echo "  make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 \
	  || { $(PYTHON) -m venv --clear --without-pip .venv \
	       && $(PYTHON) tools/fetch_pip.py .venv/bin/python; } \
	  || { rm -rf .venv; \
	       echo "'$(PYTHON)' cannot create a virtual environment. On Debian and Ubuntu, run as root:"; \
	       echo "  apt-get install python3-venv"; exit 1; }
	@touch $@

# Such as: make screenshots ARGS="--url http://127.0.0.1:8001 --sample 2"
screenshots: dev
	.venv/bin/python -m tools.screenshots $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info client/*.egg-info client/build .coverage .pytest_cache .mypy_cache .ruff_cache \
	  .import_linter_cache .hypothesis
