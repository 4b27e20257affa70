"""Deploys the stack on a running sandbox and asks its model: the second half of `make up`."""

import time
from collections.abc import Sequence

from sandbox import console, operations
from sandbox.local_stack import COMMITTED, NAME, LocalStack
from sandbox.settings import Settings
from toolchain.errors import UserError

WRITING = frozenset({"set", "set-all", "rm", "rm-all", "cp", "refresh"})
"""Subcommands of `pulumi config` that change the stack file."""


def deploy(settings: Settings) -> None:
    """Bring up the stack `local` and print the first model's answer as it arrives."""
    # Its import of httpx takes 45 ms, which `make pulumi` would pay as well.
    from sandbox import first_answer

    started = time.monotonic()
    operations.hub(settings)
    stack = LocalStack()
    stack.prepare(settings)
    stack.up()
    outputs = stack.outputs()
    console.note(f"asking {next(iter(outputs['models']))}: {first_answer.QUESTION}")
    print("\n    ", end="", flush=True)
    for piece in first_answer.ask(outputs):
        if isinstance(piece, first_answer.Answer):
            print("\n")
            console.note(
                f"{piece.tokens} tokens at {piece.tokens_per_second:.1f} tokens/s, the first after "
                f"{piece.first_token_seconds:.2f} s; {time.monotonic() - started:.0f} s in total"
            )
        else:
            print(piece.replace("\n", "\n    "), end="", flush=True)
    console.note(f"to try it yourself: {outputs['curl']}")
    console.note("the password:       make pulumi DO='stack output passwords --show-secrets'")


def pulumi(settings: Settings, arguments: Sequence[str]) -> int:
    """Run Pulumi with the state and configuration of the stack `local`; returns its exit code."""
    if not arguments:
        raise UserError(
            "Pulumi needs a command, and none was given.",
            "For example: make pulumi DO='preview --diff'",
        )
    words = [argument for argument in arguments if not argument.startswith("-")]
    if words[:1] == ["config"] and words[1:2] and words[1] in WRITING:
        raise UserError(
            f"`pulumi config {words[1]}` has no lasting effect on the stack {NAME}, because each "
            f"command writes its file anew from {COMMITTED.name}.",
            f"Edit {COMMITTED} instead.",
        )
    stack = LocalStack()
    stack.prepare(settings)
    return stack.run(*arguments).returncode
