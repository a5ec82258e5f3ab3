# What there is to do in this project.
bin := ".venv/bin"

# List the recipes
default:
    @just --list --unsorted

# Make the environment
setup:
    python3.11 -m venv .venv
    {{bin}}/pip install -e '.[dev]'
    {{bin}}/pre-commit install

# Run the tests, or those that are named
test *arguments="-n auto":
    {{bin}}/pytest {{arguments}}

# Run the tests with many more examples from Hypothesis
test-thorough:
    HYPOTHESIS_PROFILE=thorough {{bin}}/pytest -n auto

# Check style, types and layers
lint:
    {{bin}}/ruff check
    {{bin}}/ruff format --check
    {{bin}}/mypy
    {{bin}}/lint-imports

# Do what is done before a change goes in, in a fresh environment
ci:
    .ci/run

# Write anew everything in the documentation that programs print, and build the site
docs:
    {{bin}}/python tests/docs/update.py
    {{bin}}/mkdocs build --strict

# Measure the simulator (see benchmarks/README.md for the protocol)
bench:
    {{bin}}/python benchmarks/simulation.py

# Repeat the published evaluation
reproduce *arguments="--out results/evaluation":
    {{bin}}/edgebatch reproduce {{arguments}}
