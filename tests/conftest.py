"""What of the tests belongs to which environment."""

from importlib.util import find_spec

# Ray and vLLM (6.5 GB) are in the service's environment only: `make test-engine`.
collect_ignore = [] if find_spec("ray") and find_spec("vllm") else ["app_live"]
