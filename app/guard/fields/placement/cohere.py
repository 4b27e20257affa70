"""The request of Cohere's chat route, which vLLM has only where the package `cohere` is installed.

Neither image of rayline has it, so no test sees the route; the models are those of cohere 5 and of
`entrypoints/cohere/protocol.py`. vLLM fetches the images of a user's message.
"""

from collections.abc import Mapping

from app.guard.fields.kinds import CAP, FREE, GRAMMAR, INPUTS, MEDIA, PARTS
from app.guard.fields.placement.names import Fields, model, request, rows

PLACES: Mapping[str, Fields] = {
    "CohereChatV2Request": request(
        "model messages stream tools strict_tools tool_choice citation_options safety_mode "
        "stop_sequences temperature seed frequency_penalty presence_penalty k p logprobs thinking "
        "priority watermarking kv_transfer_params chat_template_kwargs",
        documents=INPUTS,
        max_tokens=CAP,
        response_format=GRAMMAR,
    ),
    "UserChatMessageV2": model("role", content=PARTS),
    "SystemChatMessageV2": model("role", content=PARTS),
    "AssistantChatMessageV2": model("role tool_calls tool_plan citations", content=PARTS),
    "ToolChatMessageV2": model("role tool_call_id", content=PARTS),
    "ImageUrlContent": model("type", image_url=MEDIA),
    "Document": model("id", data=FREE),
    "DocumentSource": model("type id", document=FREE),
    "ToolSource": model("type id", tool_output=FREE),
    "JsonObjectResponseFormatV2": model("type", json_schema=FREE),
    "ToolV2Function": model("name description", parameters=FREE),
    **rows(
        ("ImageUrl", "url detail"),
        ("DocumentToolContent", "type document"),
        ("Citation", "start end text sources content_index type"),
        ("CitationOptions", "mode"),
        ("TextContent TextToolContent TextSystemMessageV2ContentOneItem", "type text"),
        ("TextAssistantMessageV2ContentOneItem", "type text"),
        ("ThinkingAssistantMessageV2ContentOneItem", "type thinking"),
        ("TextResponseFormatV2", "type"),
        ("Thinking", "type token_budget"),
        ("ToolCallV2", "id type function"),
        ("ToolCallV2Function", "name arguments"),
        ("ToolV2", "type function"),
    ),
}
