"""Converts grammars as vLLM's front end does, and says how long its event loop would stand still.

Each question is `{"structured_outputs": {...}, "times": n}`, answered by the CPU time of vLLM's own
validation in seconds, and the memory that it added in MiB; or `{"tools": [...], "choice": ...}`,
answered by the schema that vLLM compiles for a required call.
"""

import json
import os
import resource
import sys
import time
from typing import Any


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # importing vLLM may print
    answer({"structured_outputs": {"regex": "a"}})
    answers.write('"ready"\n')
    answers.flush()
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line))) + "\n")
        answers.flush()


def answer(question: dict[str, Any]) -> Any:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionToolsParam
    from vllm.sampling_params import SamplingParams, StructuredOutputsParams
    from vllm.tool_parsers.utils import get_json_schema_from_tools
    from vllm.v1.structured_output.backend_xgrammar import validate_xgrammar_grammar

    if "tools" in question:
        tools = [ChatCompletionToolsParam.model_validate(tool) for tool in question["tools"]]
        return get_json_schema_from_tools(question["choice"], tools)
    given = StructuredOutputsParams(**question["structured_outputs"])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    try:
        validate_xgrammar_grammar(SamplingParams(structured_outputs=given))
        refused = None
    except ValueError as error:
        refused = type(error).__name__
    return {
        "seconds": time.process_time() - began,
        "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024,
        "refused": refused,
    }


if __name__ == "__main__":
    main()
