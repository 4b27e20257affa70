"""What this vLLM says to the service's environment: a question is an environment, a JSON object.

Answers `{"arguments": ...}`, those of its own that the environment decides, or `{"refused": ...}`.
"""

import json
import os
import sys

from app.engine.arguments import parse
from app.engine.settings import from_environment
from app.errors import ConfigurationError


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # vLLM may print when it is imported
    answers.write('"ready"\n')
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def answer(environ: dict[str, str]) -> dict[str, object]:
    try:
        settings = from_environment(environ, "cuda")
        namespace = vars(parse(settings.arguments))
    except ConfigurationError as error:
        return {"refused": str(error)}
    decided = {name: namespace[name] for name in settings.arguments}
    return {"arguments": json.loads(json.dumps(decided, default=repr))}


if __name__ == "__main__":
    main()
