#!/bin/sh
# The Python environment of the documentation site, created once per version of its requirements.
# Argument: the Python to use. RAYLINE_DOCS_VENV: the folder.
set -eu
cd "$(dirname "$0")/.."
stamp="$RAYLINE_DOCS_VENV/.installed"
wanted=$(sha256sum <requirements/docs.txt)
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0
"$1" requirements/python_version.py "make docs PYTHON=" 3.11 3.12 3.13
echo "  Python environment of the documentation: $RAYLINE_DOCS_VENV"
mkdir -p "$(dirname "$RAYLINE_DOCS_VENV")"
"$1" -m venv --clear "$RAYLINE_DOCS_VENV"
"$RAYLINE_DOCS_VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
    --require-hashes -r requirements/docs.txt
echo "$wanted" >"$stamp"
