.PHONY: run test docs format clean

run: .venv/installed
	.venv/bin/python -m tdrec.run --genre=Drama --method=td

test: .venv/installed
	.venv/bin/python -m tests

docs: .venv/installed
	.venv/bin/python docs/api.py docs/api

format: .venv/installed
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv build dist tdrec.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find tdrec tests -name __pycache__ -prune -exec rm -rf {} +

.venv/installed: setup.py constraints.txt
	test -x .venv/bin/python || python3.11 -m venv .venv
	.venv/bin/pip install -q -c constraints.txt -e ".[test]"
	touch $@
