# make bench: the embedded study and its tables.  make test: the unit tests.  make check: ruff and mypy.
# Each sets up what it needs in .venv first, and does nothing there when nothing changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: bench test check gpu env clean
.DELETE_ON_ERROR:

bench: env
	$(BIN)/python -m pytest cases/ --study synthetic -n $(JOBS)
	@echo "The tables lie in results/synthetic; report.md there holds them all."

test: env
	$(BIN)/python -m pytest tests/ -n $(JOBS) -q

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

gpu: env
	$(BIN)/python -m pytest tests/gpu_checks.py
	$(BIN)/python -m pytest cases/ --study synthetic -n 2 --gpus --rerun

env: $(VENV)/.made

# uv installs in a fifth of pip's time; where it cannot be had, pip does.
$(VENV)/.made: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; run: make PYTHON=python3.11"; exit 1; }
	@echo "Setting up $(VENV) (about 3 GB to fetch the first time) ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade -c constraints.txt uv && \
		$(BIN)/uv pip install --python $(BIN)/python -c constraints.txt -e '.[test,check]' || \
		$(BIN)/python -m pip install -c constraints.txt -e '.[test,check]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache *.egg-info
