# One command a person and CI both run: make test, make check, make demo.
SHELL := /bin/bash
.DELETE_ON_ERROR:
PYTHON ?= python3.11
BIN := .venv/bin
# A changed lock is a changed stamp: demo and test share one .venv and never reuse a stale one.
lock_of = $(shell cat locks/$(1).txt pyproject.toml | sha256sum | cut -c1-16)
RUNTIME := .venv/.runtime-$(call lock_of,runtime)
DEVELOPMENT := .venv/.development-$(call lock_of,development)

.PHONY: help demo test soak bench check fix attacks mutants protos vectors lock clean
help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(RUNTIME) ## coordinator and four cities on this machine; ONCE=1 stops when done
	$(BIN)/labor-study demo --out .demo $(if $(ONCE),--once)

test: $(DEVELOPMENT) ## every test, journeys with real processes included
	$(BIN)/python -m pytest $(ARGS)

soak: $(DEVELOPMENT) ## the long counts in whole, of which make test runs slices
	$(BIN)/python -m pytest -m soak -s $(ARGS)
	$(if $(ARGS),,$(MAKE) --no-print-directory mutants)

bench: $(DEVELOPMENT) ## measure rounds beside NVFLARE and Flower, and rates; writes docs/benchmarks.md
	PYTHONPATH=tests:. $(BIN)/python -m benchmarks $(ARGS)

check: $(DEVELOPMENT) ## linters, types, import contracts, generated-code drift
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory protos OUT=build/protos
	diff -r -x __init__.py -x __pycache__ build/protos/federation/wire/v1 federation/wire/v1

fix: $(DEVELOPMENT) ## let the tools mend what they can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

OUT ?= .
protos: $(DEVELOPMENT) ## generate federation/wire/v1 from proto/
	mkdir -p $(OUT)
	$(BIN)/python -m grpc_tools.protoc -Iproto \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
	  --python_out=$(OUT) --mypy_out=quiet:$(OUT) proto/federation/wire/v1/*.proto
	$(BIN)/python -m grpc_tools.protoc -Iproto \
	  --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc \
	  --grpc_python_out=$(OUT) --mypy_grpc_out=quiet:$(OUT) \
	  proto/federation/wire/v1/exchange.proto proto/federation/wire/v1/control.proto \
	  proto/federation/wire/v1/carrying.proto

attacks: $(DEVELOPMENT) ## the attack table: who tries what, where it is stopped, by which reason
	@PYTHONPATH=tests $(BIN)/python -m attacks

mutants: $(DEVELOPMENT) ## break each line that stops an attack, in a fork; the long count of make soak
	PYTHONPATH=tests $(BIN)/python -m attacks.mutants $(WORDS)
	PYTHONPATH=tests $(BIN)/python -m attacks.sampled $(or $(SEED),3)

vectors: $(DEVELOPMENT) ## make the vectors of tests/vectors again from their fixed keys
	PYTHONPATH=tests $(BIN)/python -m vectors.making

lock: $(DEVELOPMENT) ## resolve both locks again from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra build --python-version 3.11 \
	  --universal --generate-hashes --no-header -q -o locks/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --extra build --extra dev -c locks/runtime.txt --python-version 3.11 \
	  --universal --generate-hashes --no-header -q -o locks/development.txt
	for peer in flower nvflare; do $(BIN)/uv pip compile tests/benchmarks/peers/locks/$$peer.in \
	  --python-version 3.11 --universal --generate-hashes --no-header -q \
	  -o tests/benchmarks/peers/locks/$$peer.txt; done

clean: ## remove what make made
	rm -rf .venv .demo build *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis

define install
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@rm -f .venv/.runtime-* .venv/.development-*
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/$(1).txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

# Development holds all of runtime at the same versions, so either stamp serves the demo.
$(RUNTIME): locks/runtime.txt pyproject.toml
	@echo "setting up .venv (about a minute) …"
	$(call install,$(if $(wildcard $(DEVELOPMENT)),development,runtime))
	@touch $@

$(DEVELOPMENT): locks/development.txt pyproject.toml
	@echo "setting up .venv for development (about two minutes) …"
	$(call install,development)
	@touch $(RUNTIME) $@
