# make bench: the embedded study and its tables.  make test: the unit tests.
# make check: ruff, mypy, the tests of the tools, of a built wheel and of whole sessions.
# make gpu: what needs a GPU: checks, figures of speed, the embedded study; at most eight minutes (tools/gpu).
# make torture: ends runs and sessions on purpose, one of each fault: nothing may be lost.
# make slurm: jobs of a real Slurm with two nodes, started on this machine's loopback (tools/slurm).
# make docs: the documents as a site, in build/docs.
# make speed: how fast training works here, beside the usual way.
# make browser: the page in the Chromium that is installed (apt-get install chromium).
# make retest: the unit tests even where nothing changed.
# Each sets up what it needs in .venv first, and does again only what something changed for.

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find serkit benchmark cases tools tests docs -name '*.py' -o -name '*.toml' -o -name '*.csv' -o -name '*.md' -o -name 'page.*') \
	tools/gpu conftest.py pytest.ini setup.py README.md CONTRIBUTING.md CHANGELOG.md results/README.md

# Without bytecode every worker compiles PyTorch's Python anew: 10 s instead of 3.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench test retest check browser torture slurm docs gpu speed env clean

bench: env
	$(BIN)/python -m pytest cases/ --study synthetic -n $(JOBS)
	@echo "Open results/synthetic/index.html: everything on one page. As text: report.md beside it."

test: $(VENV)/.tested
	@echo "The unit tests passed, and nothing changed since (make retest runs them again)."

retest:
	@rm -f $(VENV)/.tested
	@$(MAKE) --no-print-directory test

$(VENV)/.tested: $(VENV)/.made $(SOURCES)
	$(BIN)/python -m pytest tests/ --ignore=tests/tools --ignore=tests/extras --ignore=tests/whole -n $(JOBS) --dist=worksteal -q
	@touch $@

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/tools tests/extras tests/whole --ignore=tests/extras/engines -n $(JOBS) --dist=worksteal -q
	$(BIN)/python -m pytest tests/extras/engines -q

browser: env
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[browser]'
	$(BIN)/python -m pytest tests/browser_checks.py -q

torture: env
	@$(BIN)/python -m benchmark torture --only session --faults 11 & sessions=$$!; code=0; \
	$(BIN)/python -m benchmark torture --but session --faults 18 || code=1; \
	wait $$sessions && exit $$code

# As root, with Debian's slurm-wlm and munge.
slurm: env
	tools/slurm $(BIN)/python -m pytest tests/slurm_checks.py -q

docs: env
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[docs]'
	$(BIN)/python -m tools.docs_site
	@echo "Open build/docs/index.html."

gpu:
	@PYTHON=$(PYTHON) tools/gpu

speed: env
	@$(BIN)/python -c 'import audiomentations' 2>/dev/null || \
		$(BIN)/python -m pip install -q -c constraints.txt -e '.[speed]'
	$(BIN)/python -m tools.speed

env: $(VENV)/.made

# uv installs in a fifth of pip's time; where it cannot be had, pip does. pip compiles bytecode, uv where it is told to:
# else the first session does, in every worker, and takes half a minute longer.
$(VENV)/.made: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; run: make PYTHON=python3.11"; exit 1; }
	@echo "Setting up $(VENV): about 3 GB to fetch the first time, half a minute to several ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade uv && \
		$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python -c constraints.txt -e '.[check,acoustics,hf,opensmile,ray,roomnet,slurm,tensorboard]' || \
		$(BIN)/python -m pip install -c constraints.txt -e '.[check,acoustics,hf,opensmile,ray,roomnet,slurm,tensorboard]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache *.egg-info
