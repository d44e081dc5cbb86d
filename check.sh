#!/usr/bin/env bash
# All checks, in the active environment: pip install -e ".[jax,test]" first; with the extra docs,
# the site is built too. Arguments go to pytest: ./check.sh tests/formats
set -euo pipefail
cd "$(dirname "$0")"
ruff check .
ruff format --check .
mypy
if python -c "import furo, myst_parser, sphinx" 2> /dev/null; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    python -m sphinx -q -W docs "$site"
fi
python -m pytest "$@"
