"""Which tests belong to which environment, and how long a generated example may take."""

from importlib.util import find_spec

from hypothesis import settings

pytest_plugins = ["tests.apiserver.fixtures", "tests.guarantees.fixtures"]

# Ray and vLLM (6.5 GB) are in the service's environment only: `make test-engine`.
collect_ignore = [] if find_spec("ray") and find_spec("vllm") else ["app_live"]

# Hypothesis fails an example after 200 ms, which a busy machine exceeds without any fault of ours.
settings.register_profile("rayline", deadline=None)
settings.load_profile("rayline")
