"""vLLM's engine arguments that may name something: those that take a text or an object.

Prints their names as a JSON list.
"""

import json
import os


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # importing vLLM may print
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    numbers = {"int", "float", "human_readable_int", "human_readable_int_or_auto"}
    names = sorted(
        action.dest
        for action in make_arg_parser(FlexibleArgumentParser())._actions
        if action.option_strings
        and not action.choices
        and action.nargs != 0
        and getattr(action.type, "__name__", "") not in numbers
    )
    answers.write(json.dumps(names) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
