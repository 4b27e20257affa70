"""Items, content and tools of the Responses API: the models of OpenAI's own Python package.

Almost all of it is what the model said or did before, sent back by the client, or a declaration of
a tool that vLLM does not have. vLLM 0.32 reads texts and content parts from it
(`entrypoints/openai/responses/utils.py`) and fetches only images: nothing reads `server_url` of a
tool, `file_url` of a file or the address of a screenshot.
"""

from collections.abc import Mapping

from app.guard.fields.kinds import FREE, MEDIA, PARTS
from app.guard.fields.placement.names import Fields, model, rows

_MCP = """
    server_label type allowed_callers allowed_tools authorization connector_id defer_loading
    require_approval server_description server_url tunnel_id"""

PLACES: Mapping[str, Fields] = {
    **rows(
        ("Filters", "allowed_domains"),
        (
            "McpRequireApprovalMcpToolApprovalFilter ToolMcpRequireApprovalMcpToolApprovalFilter",
            "always never",
        ),
        ("LogprobTopLogprob", "bytes logprob token"),
        ("Logprob", "bytes logprob token top_logprobs"),
        ("ImageGenerationCallErrorModerationDetails", "categories moderation_stage"),
        (
            "AcknowledgedSafetyCheck ComputerCallOutputAcknowledgedSafetyCheck PendingSafetyCheck",
            "code id message",
        ),
        ("Action ShellCallAction", "commands max_output_length timeout_ms"),
        ("Reasoning", "context effort generate_summary mode summary"),
        ("Output", "created_by outcome stderr stdout"),
        ("LocalSkill LocalSkillParam", "description name path"),
        (
            "ContainerNetworkPolicyDomainSecret ContainerNetworkPolicyDomainSecretParam",
            "domain name value",
        ),
        ("ImageGenerationSvgReasoning ToolImageGenerationSvgReasoning", "effort"),
        ("RankingOptionsHybridSearch", "embedding_weight text_weight"),
        ("ImageGenerationInputImageMask ToolImageGenerationInputImageMask", "file_id image_url"),
        ("ResponseTextConfig", "format verbosity"),
        ("RankingOptions", "hybrid_search ranker score_threshold"),
        (
            "ImageGenerationCallSvgUsage",
            "input_tokens model output_tokens reasoning_tokens total_tokens",
        ),
        ("ImageGenerationSvg ToolImageGenerationSvg", "model reasoning"),
        ("ResponseFunctionShellCallOutputContentParam", "outcome stderr stdout"),
        (
            "McpAllowedToolsMcpToolFilter McpRequireApprovalMcpToolApprovalFilterAlways "
            "McpRequireApprovalMcpToolApprovalFilterNever ToolMcpAllowedToolsMcpToolFilter "
            "ToolMcpRequireApprovalMcpToolApprovalFilterAlways "
            "ToolMcpRequireApprovalMcpToolApprovalFilterNever",
            "read_only tool_names",
        ),
        (
            "ActionScreenshot ActionWait ApplyPatchCallCallerDirect "
            "ApplyPatchCallOutputCallerDirect CallerDirect ComputerTool ComputerToolParam "
            "ContainerNetworkPolicyDisabled ContainerNetworkPolicyDisabledParam "
            "FunctionCallOutputCallerDirect LocalShell OutcomeTimeout OutputOutcomeTimeout "
            "ProgrammaticToolCalling ResponseFormatJSONObject ResponseFormatText "
            "ResponseLocalEnvironment Screenshot ShellCallCallerDirect "
            "ShellCallOutputCallerDirect ToolChoiceApplyPatch ToolChoiceShell "
            "ToolChoiceSpecificProgrammaticToolCallingParam ToolChoiceTypes ToolLocalShell "
            "ToolProgrammaticToolCalling Wait",
            "type",
        ),
        (
            "ResponseComputerToolCallOutputItem",
            "type acknowledged_safety_checks call_id created_by id output status",
        ),
        ("ComputerCallOutput", "type acknowledged_safety_checks call_id id output status"),
        (
            "ResponseComputerToolCall ResponseComputerToolCallParam",
            "type action actions call_id id pending_safety_checks status",
        ),
        (
            "ImageGeneration ToolImageGeneration",
            "type action background complexity frame_count frame_duration_ms input_fidelity "
            "input_image_mask model moderation output_compression output_format partial_images "
            "quality size svg",
        ),
        (
            "ImageGenerationCall",
            "type action background error id output_format quality result revised_prompt size "
            "status svg_usage",
        ),
        (
            "ResponseFunctionShellToolCall",
            "type action call_id caller created_by environment id status",
        ),
        ("ShellCall", "type action call_id caller environment id status"),
        ("LocalShellCall", "type action call_id id status"),
        ("ResponseFunctionWebSearch ResponseFunctionWebSearchParam", "type action id status"),
        ("ApplyPatchTool ApplyPatchToolParam", "type allowed_callers"),
        (
            "CustomTool CustomToolParam",
            "type allowed_callers async defer_loading description format name",
        ),
        ("CodeInterpreter ToolCodeInterpreter", "type allowed_callers container"),
        ("FunctionShellTool FunctionShellToolParam", "type allowed_callers environment"),
        (
            "ContainerNetworkPolicyAllowlist ContainerNetworkPolicyAllowlistParam",
            "type allowed_domains domain_secrets",
        ),
        ("ResponseOutputText ResponseOutputTextParam", "type annotations logprobs text"),
        ("McpApprovalResponse", "type approval_request_id approve id reason"),
        ("McpCall", "type approval_request_id arguments error id name output server_label status"),
        (
            "ResponseFunctionToolCall ResponseFunctionToolCallParam",
            "type arguments async call_id caller id name namespace status",
        ),
        ("McpApprovalRequest", "type arguments id name server_label"),
        (
            "ResponseCustomToolCall ResponseCustomToolCallParam",
            "type async call_id caller id input name namespace",
        ),
        ("ActionClick Click", "type button keys x y"),
        (
            "ResponseFunctionShellToolCallOutput",
            "type call_id caller created_by id max_output_length output status",
        ),
        ("ResponseApplyPatchToolCall", "type call_id caller created_by id operation status"),
        ("ResponseApplyPatchToolCallOutput", "type call_id caller created_by id output status"),
        ("ShellCallOutput", "type call_id caller id max_output_length output status"),
        ("ApplyPatchCall", "type call_id caller id operation status"),
        ("ApplyPatchCallOutput", "type call_id caller id output status"),
        ("Program", "type call_id code fingerprint id"),
        ("ResponseToolSearchOutputItem", "type call_id created_by execution id status tools"),
        ("ResponseToolSearchOutputItemParamParam", "type call_id execution id status tools"),
        ("ProgramOutput", "type call_id id result status"),
        (
            "ApplyPatchCallCallerProgram ApplyPatchCallOutputCallerProgram CallerProgram "
            "FunctionCallOutputCallerProgram ShellCallCallerProgram ShellCallOutputCallerProgram",
            "type caller_id",
        ),
        ("UserLocation", "type city country region timezone"),
        (
            "ResponseCodeInterpreterToolCall ResponseCodeInterpreterToolCallParam",
            "type code container_id id outputs status",
        ),
        ("HTTPError McpProtocolError", "type code message"),
        ("ImageGenerationCallError", "type code message moderation_details param"),
        (
            "ContainerReference ContainerReferenceParam ResponseContainerReference",
            "type container_id",
        ),
        (
            "AnnotationContainerFileCitation",
            "type container_id end_index file_id filename start_index",
        ),
        (
            "ResponseReasoningItem ResponseReasoningItemParam",
            "type content encrypted_content id status summary",
        ),
        ("ResponseCompactionItem", "type created_by encrypted_content id"),
        ("InlineSkillSource InlineSkillSourceParam", "type data media_type"),
        ("Grammar", "type definition syntax"),
        ("InlineSkill InlineSkillParam", "type description name source"),
        (
            "NamespaceTool NamespaceToolParam ToolSearchOutputNamespaceToolParam",
            "type description name tools",
        ),
        (
            "ResponseInputFile ResponseInputFileContentParam ResponseInputFileParam",
            "type detail file_data file_id file_url filename prompt_cache_breakpoint",
        ),
        (
            "ApplyPatchCallOperationCreateFile ApplyPatchCallOperationUpdateFile "
            "OperationCreateFile OperationUpdateFile",
            "type diff path",
        ),
        (
            "ComputerUsePreviewTool ComputerUsePreviewToolParam",
            "type display_height display_width environment",
        ),
        ("ResponseCompactionItemParamParam", "type encrypted_content id"),
        ("AnnotationURLCitation", "type end_index start_index title url"),
        ("McpListTools", "type error id server_label tools"),
        ("OutcomeExit OutputOutcomeExit", "type exit_code"),
        (
            "WebSearchTool WebSearchToolParam",
            "type external_web_access filters search_context_size user_location",
        ),
        ("AnnotationFileCitation", "type file_id filename index"),
        (
            "ResponseComputerToolCallOutputScreenshot "
            "ResponseComputerToolCallOutputScreenshotParam",
            "type file_id image_url",
        ),
        ("AnnotationFilePath", "type file_id index"),
        (
            "CodeInterpreterContainerCodeInterpreterToolAuto "
            "ToolCodeInterpreterContainerCodeInterpreterToolAuto",
            "type file_ids memory_limit network_policy",
        ),
        ("ContainerAuto ContainerAutoParam", "type file_ids memory_limit network_policy skills"),
        (
            "FileSearchTool FileSearchToolParam",
            "type filters max_num_results ranking_options vector_store_ids",
        ),
        ("Text", "type format"),
        ("CompactionTrigger ItemReference", "type id"),
        ("LocalShellCallOutput", "type id output status"),
        (
            "ResponseFileSearchToolCall ResponseFileSearchToolCallParam",
            "type id queries results status",
        ),
        ("ResponseConfigurationUpdateItemParamParam", "type id reasoning text"),
        ("AdditionalTools", "type id role tools"),
        ("ComparisonFilter", "type key value"),
        ("ActionKeypress Keypress", "type keys"),
        ("ActionDrag Drag", "type keys path"),
        ("ActionScroll Scroll", "type keys scroll_x scroll_y x y"),
        ("ActionDoubleClick ActionMove DoubleClick Move", "type keys x y"),
        ("OutputLogs", "type logs"),
        ("ToolChoiceCustom ToolChoiceFunction", "type name"),
        ("ToolChoiceMcp", "type name server_label"),
        ("ApplyPatchCallOperationDeleteFile OperationDeleteFile", "type path"),
        ("ActionFind", "type pattern url"),
        (
            "ResponseInputText ResponseInputTextContentParam ResponseInputTextParam",
            "type prompt_cache_breakpoint text",
        ),
        ("ActionSearch", "type queries query sources"),
        ("ResponseOutputRefusal ResponseOutputRefusalParam", "type refusal"),
        (
            "WebSearchPreviewTool WebSearchPreviewToolParam",
            "type search_content_types search_context_size user_location",
        ),
        ("SkillReference SkillReferenceParam", "type skill_id version"),
        ("LocalEnvironment LocalEnvironmentParam", "type skills"),
        ("ActionType Summary Type", "type text"),
        ("ActionOpenPage ActionSearchSource OutputImage", "type url"),
        ("ActionDragPath DragPath", "x y"),
    ),
    "CompoundFilter": model("type", filters=FREE),
    "EasyInputMessageParam": model("role phase type", content=PARTS),
    "FunctionCallOutput": model("type id call_id caller name namespace status", output=PARTS),
    "FunctionTool": model(
        "name strict type allowed_callers async defer_loading description",
        parameters=FREE,
        output_schema=FREE,
    ),
    "FunctionToolParam": model(
        "async name strict type allowed_callers defer_loading description",
        parameters=FREE,
        output_schema=FREE,
    ),
    "LocalShellCallAction": model("command type timeout_ms user working_directory", env=FREE),
    "Mcp": model(_MCP, headers=FREE),
    "ToolMcp": model(_MCP, headers=FREE),
    "McpListToolsTool": model("name description", input_schema=FREE, annotations=FREE),
    "McpToolExecutionError": model("type", content=FREE),
    "ResponseCustomToolCallOutputItem": model(
        "call_id type id caller status created_by", output=PARTS
    ),
    "ResponseCustomToolCallOutputParam": model("call_id type id caller", output=PARTS),
    "ResponseFormatTextJSONSchemaConfig": model("name type description strict", schema=FREE),
    "ResponseFormatTextJSONSchemaConfigParam": model("name type description strict", schema=FREE),
    "ResponseFunctionToolCallOutputItem": model(
        "id status type call_id caller created_by name namespace", output=PARTS
    ),
    "ResponseInputImage": model("detail type file_id prompt_cache_breakpoint", image_url=MEDIA),
    "ResponseInputImageParam": model(
        "detail type file_id prompt_cache_breakpoint", image_url=MEDIA
    ),
    "ResponseInputImageContentParam": model(
        "type detail file_id prompt_cache_breakpoint", image_url=MEDIA
    ),
    "ResponseOutputMessage": model("id role status type phase", content=PARTS),
    "ResponseOutputMessageParam": model("id role status type phase", content=PARTS),
    "ResponsePrompt": model("id version", variables=FREE),
    "ResponseToolSearchCall": model("id call_id execution status type created_by", arguments=FREE),
    "Result": model("file_id filename score text", attributes=FREE),
    "ToolChoiceAllowed": model("mode type", tools=FREE),
    "ToolFunction": model(
        "name type allowed_callers async defer_loading description strict",
        output_schema=FREE,
        parameters=FREE,
    ),
    "ToolSearchCall": model("type id call_id execution status", arguments=FREE),
    "ToolSearchTool": model("type description execution", parameters=FREE),
    "ToolSearchToolParam": model("type description execution", parameters=FREE),
    "Message": model("author channel content_type recipient role status type", content=PARTS),
    "Content": model("text type"),
    "Author": model("name role"),
}
