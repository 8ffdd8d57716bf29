# make demo   trains a VGG-19 on real handwritten digits and evaluates it
# make test   checks style and types, and runs the tests
# make docs   builds the documentation into site/, and fails on a broken link
# make cuda   checks one GPU and measures it, in six minutes at most; CUDA=... are options
# All install into .venv first; PYTHON and VENV choose others.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := artifacts/runs/demo
CUDA ?=

# An environment of an older Python, or of one that is gone, is made anew.
NEW := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
define environment
@$(PYTHON) $(NEW) || \
    { echo "Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }
@if test -f $(VENV)/pyvenv.cfg && ! $(BIN)/python $(NEW); then rm -r $(VENV); fi
$(PYTHON) -m venv $(VENV)
endef

.PHONY: demo test style types tests docs cuda

demo: $(VENV)/.installed
	$(BIN)/kerasnets fit vgg19 --bn --glorot --head compact --dataset digits \
	    --epochs 4 --batch-size 32 --no-augment --out $(DEMO) --overwrite
	$(BIN)/kerasnets evaluate $(DEMO)
	@echo "Look at $(DEMO)/curves.png, confusion_matrix.png and examples.png."

# Types are checked while tests wait for their processes.
test: style
	$(MAKE) --no-print-directory -j 2 types tests

style: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.tested
	$(BIN)/python tests/as_installed.py mypy

# With bytecode: each process that the tests start would compile the package anew.
tests: $(VENV)/.tested
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest \
	    -n auto --maxprocesses 4 --dist worksteal

docs: $(VENV)/.documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

cuda: $(VENV)/.tested
	$(BIN)/python tests/cuda/run.py $(CUDA)

$(VENV)/.installed: pyproject.toml constraints.txt
	$(environment)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	$(BIN)/python -m pip check
	touch $@

$(VENV)/.documented: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	touch $@

# All of these at once, in half the time; what is imported is compiled when it is.
$(VENV)/.complete: pyproject.toml constraints.txt
	$(environment)
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt \
	    -e '.[docs,test]'
	$(BIN)/python -m pip check
	touch $(VENV)/.installed $(VENV)/.tested $(VENV)/.documented $@
