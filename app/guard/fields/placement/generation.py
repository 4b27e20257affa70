"""The request models of routes that generate text: OpenAI's, Anthropic's, Cohere's, and audio."""

from collections.abc import Mapping

from app.guard.fields.kinds import (
    BLOCKS,
    CAP,
    FREE,
    GRAMMAR,
    INPUTS,
    LOGPROBS,
    PATTERN,
    PLAIN,
    PRIVILEGED,
    PROMPTS,
    SOURCE,
)
from app.guard.fields.placement.names import Fields, model, request, rows

_SAMPLING = """
    model frequency_penalty include_stop_str_in_output length_penalty logit_bias min_p n
    presence_penalty repetition_penalty seed stop temperature top_k top_p use_beam_search user
    watermarking response_format structured_outputs priority request_id return_token_ids
    return_tokens_as_token_ids cache_salt echo"""
_GENERATION = """
    add_special_tokens allowed_token_ids bad_words ec_transfer_params ignore_eos kv_transfer_params
    logprob_token_ids min_tokens mm_payload prompt_logprobs repetition_detection return_mm_kwargs
    return_token_offsets routed_experts_prompt_start session_id skip_special_tokens
    spaces_between_special_tokens stop_token_ids stream stream_interval stream_options
    thinking_token_budget truncate_prompt_tokens truncation_side vllm_xargs"""
_CHAT = """
    messages add_generation_prompt chat_template chat_template_kwargs continue_final_message
    include_reasoning media_io_kwargs mm_processor_kwargs tool_choice top_logprobs logprobs"""
_AUDIO = """
    file frequency_penalty hotwords include_stop_str_in_output language length_penalty min_p model n
    presence_penalty prompt repetition_penalty seed stream stream_continuous_usage_stats
    stream_include_usage temperature to_language top_k top_p use_beam_search vllm_xargs
    watermarking"""
_ANTHROPIC = "model messages output_config system thinking tool_choice tools chat_template_kwargs"

PLACES: Mapping[str, Fields] = {
    "ChatCompletionRequest": request(
        f"{_SAMPLING} {_GENERATION} {_CHAT} parallel_tool_calls reasoning_effort "
        "return_prompt_text tools",
        documents=INPUTS,
        max_completion_tokens=CAP,
        max_tokens=CAP,
    ),
    "BatchChatCompletionRequest": request(
        f"{_SAMPLING} {_CHAT} best_of early_stopping guided_decoding_backend logprob_token_ids",
        max_completion_tokens=CAP,
        max_tokens=CAP,
    ),
    "CompletionRequest": request(
        f"{_SAMPLING} {_GENERATION} prompt_embeds suffix",
        logprobs=LOGPROBS,
        max_tokens=CAP,
        prompt=PROMPTS,
    ),
    "ResponsesRequest": request(
        "background cache_salt chat_template_kwargs ec_transfer_params enable_response_messages "
        "frequency_penalty ignore_eos include include_reasoning include_stop_str_in_output input "
        "instructions kv_transfer_params logit_bias max_tool_calls media_io_kwargs metadata min_p "
        "mm_payload mm_processor_kwargs model parallel_tool_calls presence_penalty "
        "previous_response_id priority prompt prompt_cache_key reasoning repetition_penalty "
        "request_id return_mm_kwargs seed service_tier session_id skip_special_tokens stop "
        "stop_token_ids store stream structured_outputs temperature tool_choice tools top_k "
        "top_logprobs top_p truncation user vllm_xargs watermarking",
        max_output_tokens=CAP,
        # vLLM 0.32 reads only the texts of these messages.
        previous_input_messages=FREE,
        text=GRAMMAR,
    ),
    "AnthropicMessagesRequest": request(
        f"{_ANTHROPIC} cache_salt ec_transfer_params kv_transfer_params metadata mm_payload "
        "return_mm_kwargs stop_sequences stream temperature top_k top_p vllm_xargs watermarking",
        max_tokens=CAP,
        output_config=GRAMMAR,
        system=BLOCKS,
    ),
    "AnthropicCountTokensRequest": request(_ANTHROPIC, output_config=GRAMMAR, system=BLOCKS),
    "TranscriptionRequest": request(
        f"{_AUDIO} timestamp_granularities[]", max_completion_tokens=CAP, response_format=PLAIN
    ),
    "TranslationRequest": request(_AUDIO, max_completion_tokens=CAP, response_format=PLAIN),
    "StreamOptions": model("continuous_usage_stats include_usage"),
    # `_backend` is how vLLM remembers its own choice of a compiler.
    "StructuredOutputsParams": model(
        "regex choice grammar json_object disable_any_whitespace disable_additional_properties "
        "whitespace_pattern structural_tag",
        json=FREE,
        _backend=PRIVILEGED,
        _backend_was_auto=PRIVILEGED,
    ),
    "RepetitionDetectionParams": model("min_pattern_size min_count", max_pattern_size=PATTERN),
    **rows(
        ("ResponseFormat", "type json_schema"),
        ("LegacyStructuralTagResponseFormat", "type structures triggers"),
    ),
    "JsonSchemaResponseFormat": model("name description strict", schema=FREE),
    "StructuralTagResponseFormat": model("type", format=FREE),
    "LegacyStructuralTag": model("begin end", schema=FREE),
    "AnthropicMessage": model("role", content=BLOCKS),
    "AnthropicContentBlock": model(
        "type text id tool_use_id name is_error tool_name thinking signature data tool",
        content=BLOCKS,
        input=FREE,
        source=SOURCE,
    ),
    "AnthropicTool": model("name description strict defer_loading", input_schema=FREE),
    "AnthropicJsonOutputFormat": model("type", schema=FREE),
    **rows(
        ("AnthropicOutputConfig", "effort format"),
        ("AnthropicThinkingConfigAdaptive", "type display"),
        ("AnthropicThinkingConfigDisabled", "type"),
        ("AnthropicThinkingConfigEnabled", "type budget_tokens display"),
        ("AnthropicToolChangeDefinition", "type definition"),
        ("AnthropicToolChangeReference", "type name"),
        ("AnthropicToolChoice", "type name disable_parallel_tool_use"),
    ),
}
