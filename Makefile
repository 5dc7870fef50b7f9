# Everything lives in .venv, made from the lock files in requirements/: nothing outside this directory changes, nothing needs root.

BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links --override requirements/overrides.in $(UPGRADE)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: help demo test check bench bench-quick bench-server faults lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## */  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

demo: .venv/demo.stamp  ## run jobs over a real S3 server on this machine, and see what happens
	@$(BIN)/python examples/demo.py

test: .venv/dev.stamp  ## run the tests, several at a time; ARGS="-k cache" for some of them, one by one
	@$(BIN)/python -m pytest $(or $(ARGS),-n auto --dist worksteal)

check: .venv/dev.stamp  ## lint, format, types, the direction of imports, the shape of the tree
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/test_shape.py

bench: .venv/dev.stamp  ## compare with other S3 clients and write docs/benchmarks.md
	@$(BIN)/python -m bench --write

bench-quick: .venv/dev.stamp  ## the same with less data, on the screen only
	@$(BIN)/python -m bench --quick

bench-server: .venv/dev.stamp  ## jobs a second and the latency of one, also with 100,000 that wait; writes docs/benchmarks-server.md
	@$(BIN)/python -m bench.serving --write

faults: .venv/dev.stamp  ## 1,000 kills of server, shims and container engine at random moments, ten minutes of load, 1,000,000 mutated jobs: takes hours
	@$(BIN)/python tests/faults/kill_loop.py --points 1000 --docker
	@$(BIN)/python -m bench.serving --load-only 600
	@CACHE_KILLS=1000 $(BIN)/python -m pytest -q -k killed_at_any_instant
	@$(BIN)/python tests/faults/mutated_specs.py --specs 1000000

lock: .venv/dev.stamp  ## renew requirements/ after a change of pyproject.toml; UPGRADE=--upgrade takes the newest of all
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo 'setuptools>=77' | $(LOCK) --extra s3-server --extra test --extra check --extra bench \
		pyproject.toml - -o requirements/dev.txt
	@echo 'setuptools>=77' | $(LOCK) --extra s3-server --constraints requirements/dev.txt \
		pyproject.toml - -o requirements/demo.txt

clean:  ## remove .venv and every cache
	@rm -rf .venv build src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

.venv/%.stamp: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo "Installing requirements/$*.txt into .venv …"
	@$(INSTALL) --require-hashes --only-binary=:all: -r $<
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(BIN)/python:
	@for python in python3.11 python3.12 python3.13 python3.14 python3; do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
			echo "$$python has no venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; \
		fi; \
		$$python -m venv .venv && exit 0; \
		rm -rf .venv; exit 1; \
	done; \
	echo "Gadus needs Python 3.11 or newer; found $$(python3 --version 2>&1 || echo none)." >&2; exit 1
