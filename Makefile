# CovidSeg outside of Slicer. `make` alone lists the targets; every target builds what it needs.
#
#   make demo                                         what a stranger types first
#   make test                                         all tests but the slow ones
#   make install EXTRAS=gpu,training-gpu,pictures,test     on a machine with an NVIDIA GPU (pass the same EXTRAS to the others)
#   make install PYTHON=/path/to/python3.12           with a Python of your choice
#   make test JOBS=4                                  in four processes (each needs 3 GB and a core)

EXTRAS ?= cpu,training,pictures,test
demo_extras := cpu,pictures
PYTHON ?=
PAGE ?=
SECONDS ?=
SEED ?=
JOBS ?= 2

comma := ,
venv := .venv
bin := $(venv)/bin
# One stamp for each choice of extras: another choice gets a fresh environment, so that no two builds of one runtime ever meet in it.
stamp := $(venv)/.installed-$(subst $(comma),-,$(EXTRAS))
sources := CovidSeg CovidSegTraining Testing tools $(wildcard Resources/*.py)

.PHONY: help install demo test test-slow fuzz lint format docs bench screenshots check-wheels check-onnxruntime clean

help:
	@echo "make install            build .venv with all that the targets below need (once; seconds afterwards)"
	@echo "make demo               make a synthetic chest CT, segment it, draw it; results in demo/ (installs 1.5 GB)"
	@echo "make test               all tests but the slow ones"
	@echo "make test-slow          the slow tests alone"
	@echo "make fuzz SECONDS=600   damaged files of every kind, for so long; without SECONDS 2,000 of each kind"
	@echo "make lint, make format  check style and types; repair the style"
	@echo "make docs               build the book into site/; a broken link fails"
	@echo "make bench              speed and memory (PAGE=1: its tables into docs/how_fast.md as well)"
	@echo "make screenshots        every picture of the book anew, into Resources/Screenshots"
	@echo "make check-wheels       do the declared dependencies have wheels for Python 3.10 to 3.13?"
	@echo "make check-onnxruntime  do the committed weights load in the oldest and the newest onnxruntime?"

install: $(stamp)
	@echo "$(venv) is ready."

$(stamp): pyproject.toml Testing/debian_packages.sh Testing/find_python.sh
	@PYTHON="$(PYTHON)" EXTRAS="$(EXTRAS)" sh Testing/debian_packages.sh
	@set -e; python=$$(PYTHON="$(PYTHON)" sh Testing/find_python.sh); \
	for other in $(venv)/.installed-*; do \
	    if [ -e "$$other" ] && [ "$$other" != "$@" ]; then echo "Other extras than before: a new environment."; rm -rf $(venv); fi; \
	done; \
	if ! $(bin)/python -m pip --version >/dev/null 2>&1; then echo "$(venv): $$($$python --version)"; "$$python" -m venv --clear $(venv); fi
	@echo "Installing covidseg[$(EXTRAS)]; the first time this downloads much and takes minutes."
	@$(bin)/python -m pip install --disable-pip-version-check --quiet --prefer-binary --editable ".[$(EXTRAS)]" || { \
	    echo "error: the Python packages could not be installed (see above). Is the package index within reach? Then: make install" >&2; exit 1; }
	@touch $@

# A stranger's first command downloads what it needs; where all is there already, it is used.
demo:
	@$(MAKE) --no-print-directory install EXTRAS=$(if $(wildcard $(stamp))$(filter command,$(origin EXTRAS)),$(EXTRAS),$(demo_extras))
	@mkdir -p demo && rm -f demo/scan.nii.gz demo/truth.nii.gz
	$(bin)/covidseg sample demo/scan.nii.gz --truth demo/truth.nii.gz
	$(bin)/covidseg segment demo/scan.nii.gz -o demo/result.seg.nrrd -o demo/result.nii.gz --json demo/result.json --report demo/report.html --overwrite
	$(bin)/python -m CovidSegLib.report.demo demo/scan.nii.gz demo/result.nii.gz --truth demo/truth.nii.gz --pictures demo/
	@echo "The report: demo/report.html. The numbers: demo/result.json. In Slicer: load demo/scan.nii.gz and demo/result.seg.nrrd."

test: install
	$(bin)/python -m pytest -q -m "not slow" --numprocesses $(JOBS) --dist worksteal

test-slow: install
	$(bin)/python -m pytest -q -m slow

fuzz: install
	$(bin)/python -m Testing.fuzz $(if $(SECONDS),--seconds $(SECONDS),) $(if $(SEED),--seed $(SEED),)

lint: install
	$(bin)/ruff check $(sources)
	$(bin)/ruff format --check $(sources)
	$(bin)/mypy
	PYTHONPATH=. $(bin)/lint-imports --no-cache

format: install
	$(bin)/ruff check --fix $(sources)
	$(bin)/ruff format $(sources)

docs: install
	NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build
	@echo "The book: site/index.html"

screenshots: install
	PYTHONPATH=.:CovidSeg $(bin)/python Testing/panel_pictures.py Resources/Screenshots
	PYTHONPATH=.:CovidSeg $(bin)/python Testing/correction_pictures.py Resources/Screenshots
	PYTHONPATH=.:CovidSeg $(bin)/python Testing/batch_picture.py Resources/Screenshots
	PYTHONPATH=.:CovidSeg $(bin)/python Testing/report_pictures.py Resources/Screenshots
	PYTHONPATH=.:CovidSeg $(bin)/python Testing/patient_pictures.py Resources/Screenshots
	PYTHONPATH=.:CovidSeg $(bin)/python Testing/window_picture.py Resources/Screenshots

bench: install
	PAGE=$(PAGE) $(bin)/python -m pytest -q -s Testing/benchmarks

check-wheels: install
	$(bin)/python Testing/check_wheels.py

check-onnxruntime: install
	$(bin)/python Testing/check_onnxruntime_versions.py

clean:
	rm -rf demo build site *.egg-info CovidSeg/*.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
