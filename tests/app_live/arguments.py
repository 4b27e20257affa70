"""Checks environments of the service against this vLLM. Each question is an environment, as a JSON
object.

The answer is `{"arguments": ...}`, the arguments that the environment sets, or `{"refused": ...}`.
"""

import json
import os
import sys

from app.engine.arguments import parse
from app.engine.settings import from_environment
from app.errors import ConfigurationError


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # importing vLLM may print
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
