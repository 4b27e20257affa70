"""One answer and one stream through LiteLLM as a client, in a process of its own.

LiteLLM leaves event loops and sockets open, which the tests count as errors. The arguments are
those of `litellm.completion` as JSON; the output is the two texts.
"""

import json
import sys

import litellm


def main() -> None:
    """Ask, and print the answers."""
    given = json.loads(sys.stdin.read())
    answer = litellm.completion(**given)
    chunks = list(litellm.completion(**given, stream=True))
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    print(json.dumps([answer.choices[0].message.content, streamed]))


if __name__ == "__main__":
    main()
