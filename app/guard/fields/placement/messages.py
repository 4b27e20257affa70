"""Messages, content parts and tools of chat requests."""

from collections.abc import Mapping

from app.guard.fields.kinds import CLIP, FREE, MEDIA, PARTS, PRIVILEGED, TOOLS
from app.guard.fields.placement.names import Fields, model, rows

_MESSAGE = "ChatCompletion{}MessageParam"
_PART = "ChatCompletionContentPart{}Param"

PLACES: Mapping[str, Fields] = {
    _MESSAGE.format("Developer"): model("role name", content=PARTS),
    _MESSAGE.format("System"): model("role name", content=PARTS),
    _MESSAGE.format("User"): model("role name", content=PARTS),
    _MESSAGE.format("Function"): model("role name", content=PARTS),
    _MESSAGE.format("Tool"): model("role tool_call_id", content=PARTS),
    _MESSAGE.format("Assistant"): model(
        "role audio function_call name refusal tool_calls", content=PARTS
    ),
    "CustomChatCompletionMessageParam": model(
        "role name reasoning task tool_call_id tool_calls", content=PARTS, tools=TOOLS
    ),
    "ScoreMultiModalParam": model(content=PARTS),
    _PART.format("Image"): model("type prompt_cache_breakpoint", image_url=MEDIA),
    _PART.format("Audio"): model("type", audio_url=MEDIA),
    _PART.format("Video"): model("type", video_url=MEDIA),
    _PART.format("InputAudio"): model("type prompt_cache_breakpoint", input_audio=CLIP),
    _PART.format("ImageEmbeds"): model("type", uuid=PRIVILEGED, image_embeds=PRIVILEGED),
    _PART.format("AudioEmbeds"): model("type", uuid=PRIVILEGED, audio_embeds=PRIVILEGED),
    _PART.format("VideoEmbeds"): model("type", uuid=PRIVILEGED, video_embeds=PRIVILEGED),
    "CustomChatCompletionContentSimpleImageParam": model(uuid=PRIVILEGED, image_url=MEDIA),
    "CustomChatCompletionContentSimpleAudioParam": model(audio_url=MEDIA),
    "CustomChatCompletionContentSimpleVideoParam": model(uuid=PRIVILEGED, video_url=MEDIA),
    "FunctionDefinition": model("name description strict defer_loading", parameters=FREE),
    **rows(
        (_PART.format("Text"), "type text prompt_cache_breakpoint"),
        # With this type, `data` is a tensor: the part's type is judged, see `own`.
        (_PART.format("PromptEmbeds"), "type data"),
        (_PART.format("Refusal"), "type refusal"),
        ("CustomChatCompletionContentToolReferenceParam", "type name"),
        ("CustomThinkCompletionContentParam", "type thinking closed"),
        ("File", "type file prompt_cache_breakpoint"),
        ("FileFile", "file_data file_id filename"),
        ("PromptCacheBreakpoint FilePromptCacheBreakpoint", "mode ttl"),
        # Judged with the field that holds them.
        ("ImageURL", "url detail"),
        ("AudioURL VideoURL", "url"),
        ("InputAudio", "data format"),
        ("Audio", "id"),
        ("Function FunctionCall", "arguments name"),
        ("Custom", "input name"),
        ("ChatCompletionMessageFunctionToolCallParam", "type id function"),
        ("ChatCompletionMessageCustomToolCallParam", "type id custom"),
        ("ChatCompletionFunctionToolParam ChatCompletionNamedToolChoiceParam", "type function"),
        ("ChatCompletionToolsParam", "type function defer_loading"),
        ("ChatCompletionNamedFunction", "name"),
    ),
}
