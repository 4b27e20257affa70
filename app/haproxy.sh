#!/bin/sh
# HAProxy as Ray Serve starts it (RAY_SERVE_HAPROXY_BINARY_PATH): with Serve's arguments, and with
# Serve's configuration changed by haproxy.py. It is a file of its own because Serve wants one path.
set -eu
unset RAY_SERVE_HAPROXY_BINARY_PATH
exec python -I "$(dirname "$0")/haproxy.py" "$@"
