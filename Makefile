# The verbs of the house. `make` alone lists them.
#
# Make, not nox: every recipe is a shell line that can be pasted, it uses the same .venv as the
# README's commands, and it needs nothing from PyPI. The test command has its one place in README.md;
# every other command has its one place here. CI (.ci/run) calls these verbs.

PYTHON ?= python3
export NO_MKDOCS_2_WARNING := 1 # a notice of the theme, about a later major version of mkdocs
bin := .venv/bin

# README's test command ends in the line that runs the tests
run_tests := $(shell sed -n '/<!-- test-command -->/,/<!-- \/test-command -->/s/.* && //p' README.md)

.PHONY: help test lint bench fuzz docs core sanitize lowest lock audit
help: ## list the verbs
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

test: .venv/ready ## run all tests (one room: make test ARGS=tests/tcp)
	$(run_tests) $(ARGS)

lint: .venv/ready ## check style, format, types, imports and the CI workflow
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(bin)/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	$(bin)/check-jsonschema --builtin-schema vendor.gitlab-ci docs/ci/gitlab-ci.yml

bench: .venv/ready ## measure speed and memory (see docs/performance.md)
	$(bin)/python -m tests.bench $(ARGS)

fuzz: .venv/ready ## feed arbitrary bytes to every room (one room: make fuzz ARGS="http --seconds 60")
	$(bin)/python -m tests.fuzz $(or $(ARGS),all --seconds 60)

docs: .venv/ready ## rewrite the pages that are made from code, then build the site into site/
	$(bin)/python -m tests.cli.readme
	$(bin)/python -m lbtrace.findings > docs/findings.md
	$(bin)/python -m lbtrace.tables > docs/tables.md
	$(bin)/python -m lbtrace.cli.man > docs/lbtrace.1
	$(bin)/python -m tests.render.json_tables
	$(bin)/python -m tests.cli.assistants.asked
	$(bin)/mkdocs build --strict --quiet
	$(bin)/towncrier build --draft --version next >/dev/null

core: .venv/ready ## compile the optional core in the checkout
	$(bin)/python hatch_build.py

sanitize: .venv/ready ## run the tests of the compiled core under AddressSanitizer and UBSan
	$(bin)/python -m tests.compiled.sanitized $(ARGS)

# mutmut and import-linter want a newer click than lbtrace does: what needs them is left out
lowest: ## run the tests with the lowest versions that pyproject.toml allows (for .ci/nightly)
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install -q --no-deps .
	.venv-lowest/bin/pip install -q $$($(PYTHON) -c "import tomllib; \
	p = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
	print(*(d.split(',')[0].replace('>=', '==') \
	for d in p['dependencies'] + p['optional-dependencies']['test'] \
	if not d.startswith(('mutmut', 'import-linter'))))")
	$(subst .venv/,.venv-lowest/,$(run_tests)) --ignore=tests/mutation $(ARGS)

# for every system and Python that lbtrace supports; it names no registry
lock: .venv/ready ## pin what lbtrace is developed and released with, with hashes
	$(bin)/pip install -q -e '.[release]'
	$(bin)/uv pip compile -q --universal --generate-hashes --python-version 3.11 --upgrade \
	  --no-header --no-annotate --extra dev --extra release -o requirements-dev.lock pyproject.toml

# it asks the registry; one that has no such data is said to have none
audit: .venv/ready ## look up known vulnerabilities of what is pinned
	$(bin)/pip install -q -e '.[release]'
	$(bin)/pip-audit --require-hashes --disable-pip -r requirements-dev.lock

# an editable install with everything the verbs need
.venv/ready: pyproject.toml hatch_build.py
	$(PYTHON) -m venv .venv
	$(bin)/pip install -q -e '.[dev]'
	touch $@
