# make demo   trains a VGG-19 on real handwritten digits and evaluates it
# make test   checks style and types, and runs the tests
# make mnist-6000  makes artifacts/mnist-6000: the three networks on 6,000 images of
#                  MNIST, which must be prepared or downloadable
# All install into .venv first; PYTHON and VENV choose others.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := artifacts/runs/demo

.PHONY: demo test mnist-6000

demo: $(VENV)/.installed
	$(BIN)/kerasnets fit vgg19 --bn --glorot --head compact --dataset digits \
	    --epochs 4 --batch-size 32 --no-augment --out $(DEMO) --overwrite
	$(BIN)/kerasnets evaluate $(DEMO)
	@echo "Look at $(DEMO)/curves.png, confusion_matrix.png and examples.png."

MNIST_6000 := artifacts/mnist-6000
FIT_6000 = $(BIN)/kerasnets fit $(1) --dataset mnist --limit 6000 --resume --out $(MNIST_6000)/$(2)

mnist-6000: $(VENV)/.installed
	$(call FIT_6000,resnet34 --dropout 0.2 --glorot --epochs 4,resnet34)
	$(BIN)/kerasnets evaluate $(MNIST_6000)/resnet34 --first-batch
	$(call FIT_6000,densenet121 --epochs 4,densenet121)
	$(BIN)/kerasnets evaluate $(MNIST_6000)/densenet121 --first-batch
	$(call FIT_6000,vgg19 --bn --glorot --head compact --epochs 4,vgg19)
	$(BIN)/kerasnets evaluate $(MNIST_6000)/vgg19 --first-batch

test: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	$(BIN)/python -m pip check
	touch $@
