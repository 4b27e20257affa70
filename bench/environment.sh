#!/bin/sh
# Creates the Python environment of the peers (LiteLLM), once for each content of the requirements.
# Argument: the Python to create it with. RAYLINE_PEERS_VENV: its folder.
set -eu
cd "$(dirname "$0")/.."
stamp="$RAYLINE_PEERS_VENV/.installed"
wanted=$(sha256sum <requirements/bench-peers.txt)
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0
echo "  Python environment of the peers: $RAYLINE_PEERS_VENV (1 GB, about 2 minutes)"
"$1" -m venv --clear "$RAYLINE_PEERS_VENV"
"$RAYLINE_PEERS_VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
    --require-hashes --no-deps -r requirements/bench-peers.txt
# Ray Serve LLM runs in the service's environment and lacks only this package there. Only this one is
# linked, because the versions of LiteLLM's other packages differ from the service's.
mkdir "$RAYLINE_PEERS_VENV/for-ray-llm"
ln -s "$("$RAYLINE_PEERS_VENV/bin/python" -c 'import pyarrow; print(*pyarrow.__path__)')" \
    "$RAYLINE_PEERS_VENV/for-ray-llm/pyarrow"
echo "$wanted" >"$stamp"
