# Two commands on a fresh machine: `make demo` and `make test`. Both begin with `make setup`, which installs into .venv what
# graspnet needs to run; `make test` and `make lint` add the tools of its developers.
#
# pip's own settings are honoured (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL ...); PYTHON=/path/to/python3 names another Python.

PYTHON ?=
VENV := .venv
INSTALLED := $(VENV)/.installed
DEVELOPED := $(VENV)/.installed_dev
# ensurepip is python3-venv's; Open3D loads libusb, libgomp and libGL; pyrender EGL and, though no screen is there, Xrender.
LIBRARIES := git libegl1 libgl1 libgomp1 libusb-1.0-0 libxrender1

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.PHONY: setup setup-dev demo test test-all lint clean

setup: $(INSTALLED)
	@echo "graspnet is installed. For this shell: source $(VENV)/bin/activate"

setup-dev: $(DEVELOPED)

demo: setup
	@rm -rf demo # of an earlier, perhaps stopped, demo: it keeps nothing that this one does not make again
	$(VENV)/bin/graspnet demo --output demo

# A file's tests stay in one process, which makes their shared fixtures once; more processes would want too much memory.
# xdist would begin with the files of most tests, and end with the longest ones; tests/conftest.py orders them.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup-dev
	@$(VENV)/bin/python -m pytest $(PARALLEL) -m "not slow"

test-all: setup-dev
	@$(VENV)/bin/python -m pytest $(PARALLEL)

lint: setup-dev
	@$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Only a change of what is to be installed makes a second run install again.
$(INSTALLED): pyproject.toml constraints.txt
	@wants="import sys; sys.exit(sys.version_info < (3, 11))"
	python=
	for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do
		if "$$candidate" -c "$$wants" 2>/dev/null; then python=$$candidate; break; fi
	done
	if [ -z "$$python" ]; then
		echo "make setup: no Python 3.11 or newer was found; install one, or name it: make setup PYTHON=/path/to/python3" >&2
		exit 1
	fi
	missing=()
	if command -v dpkg-query >/dev/null; then
		"$$python" -c "import ensurepip" 2>/dev/null || missing+=(python3-venv)
		for name in $(LIBRARIES); do
			dpkg-query -W -f='$${db:Status-Abbrev}\n' "$$name" 2>/dev/null | grep -q ^ii || missing+=("$$name")
		done
	fi
	if [ $${#missing[@]} -gt 0 ]; then
		if [ "$$(id -u)" -ne 0 ]; then
			echo "make setup: Debian packages are missing; run: sudo apt-get install $${missing[*]}" >&2
			exit 1
		fi
		apt-get update -q
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$${missing[@]}"
	fi
	$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install -c constraints.txt setuptools
	rm -rf graspnet.egg-info # one of an earlier installation would hide new entry points from tests run here
	$(VENV)/bin/python -m pip install -c constraints.txt --no-build-isolation -e .
	touch $@

$(DEVELOPED): $(INSTALLED)
	$(VENV)/bin/python -m pip install -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $@
