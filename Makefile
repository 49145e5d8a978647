# make setup | grid | grid-mmact | test | lint.  Needs Python 3.11+ and make; uv is brought along where it is missing.
PYTHON ?= python3
STORAGE ?= output
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
# Compiled modules may be written: dozens of processes import torch.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup grid grid-mmact test test-long soak fuzz audit lint clean

setup: .venv/installed

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet uv

.venv/installed: pyproject.toml constraints.txt | $(filter .uv/bin/uv,$(UV))
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip install --quiet --python .venv/bin/python --constraints constraints.txt --editable '.[dev,export]'
	touch $@

grid: setup
	.venv/bin/python experiments/full_grid.py --recipe demo --also skeleton depth --storage $(STORAGE)

# The same on a synthetic corpus in MMAct's layout: four subjects, four scenes, four cameras.
grid-mmact: setup
	.venv/bin/python experiments/full_grid.py --corpus synthetic-mmact --storage $(STORAGE)/mmact

lint: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyright
	.venv/bin/lint-imports

test: lint audit
	.venv/bin/pytest

test-long: setup
	.venv/bin/pytest -m long

# 33 runs of eleven stages under 40 random kills, compared with runs that nothing disturbs. SOAK_SEED, SOAK_KILLS.
soak: setup
	.venv/bin/pytest -m soak

# Mutations of whole recordings and stored files, 800 of each of 34 kinds: what reads them, and how many it refused.
fuzz: setup
	FUZZ=800 .venv/bin/pytest -s tests/datasets/test_fuzzed_recordings.py tests/orchestrator/storage/test_fuzzed_storage.py

# Known holes of the versions everything was measured with. Where nobody tells, it says so and passes.
audit: setup
	@.venv/bin/python tests/audit.py $(UV)

clean:
	rm -rf .venv .uv
