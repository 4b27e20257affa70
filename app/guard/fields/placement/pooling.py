"""The request models of pooling, scoring, decisions and the tokenizer."""

from collections.abc import Mapping

from app.guard.fields.kinds import (
    FREE,
    INPUT,
    INPUTS,
    MEDIA,
    MEDIA_LIST,
    MESSAGES,
    PARTS,
    PLUGIN,
    QUESTIONS,
)
from app.guard.fields.placement.names import Fields, model, request

_POOLING = """
    model user truncate_prompt_tokens padding truncation_side request_id priority
    mm_processor_kwargs cache_salt"""
_ENCODING = "encoding_format embed_dtype endianness"
_EMBEDDING = f"{_POOLING} {_ENCODING} add_special_tokens dimensions use_activation"
_TEMPLATE = """
    add_generation_prompt continue_final_message chat_template chat_template_kwargs
    media_io_kwargs"""
_CLASSIFICATION = f"{_POOLING} add_special_tokens use_activation"
_SCORING = f"""
    {_POOLING} chat_template_kwargs instruction max_tokens_per_doc max_tokens_per_query
    use_activation"""

PLACES: Mapping[str, Fields] = {
    "EmbeddingCompletionRequest": request(_EMBEDDING, input=INPUT),
    "EmbeddingChatRequest": request(f"{_EMBEDDING} {_TEMPLATE} messages"),
    "EmbeddingBatchChatRequest": request(f"{_EMBEDDING} {_TEMPLATE} messages"),
    "EmbeddingChatInputRequest": request(f"{_EMBEDDING} {_TEMPLATE} messages", input=MESSAGES),
    "EmbeddingBatchChatInputRequest": request(f"{_EMBEDDING} {_TEMPLATE} messages", input=MESSAGES),
    "PoolingCompletionRequest": request(f"{_EMBEDDING} task", input=INPUT),
    "PoolingChatRequest": request(f"{_EMBEDDING} {_TEMPLATE} messages task"),
    # A plug-in of the operator reads `data` and may fetch what it names.
    "IOProcessorRequest": request(f"{_POOLING} {_ENCODING} task", data=PLUGIN),
    "ClassificationCompletionRequest": request(_CLASSIFICATION, input=INPUT),
    "ClassificationChatRequest": request(f"{_CLASSIFICATION} {_TEMPLATE} messages"),
    "ScoreDataRequest": request(_SCORING, data_1=INPUTS, data_2=INPUTS),
    "ScoreTextRequest": request(_SCORING, text_1=INPUTS, text_2=INPUTS),
    "ScoreQueriesDocumentsRequest": request(_SCORING, queries=INPUTS, documents=INPUTS),
    "ScoreQueriesItemsRequest": request(_SCORING, queries=INPUTS, items=INPUTS),
    "RerankRequest": request(f"{_SCORING} query top_n", documents=INPUTS),
    "CohereEmbedRequest": request(
        # `max_tokens` shortens the texts here.
        "model input_type output_dimension embedding_types truncate max_tokens priority",
        texts=INPUTS,
        images=MEDIA_LIST,
        inputs=INPUTS,
    ),
    "CohereEmbedInput": model(content=PARTS),
    "CohereEmbedContent": model("type text", image_url=MEDIA),
    "GenerativeScoringRequest": request(
        "model query label_token_ids apply_softmax item_first add_special_tokens cache_salt "
        "priority request_id",
        items=INPUTS,
    ),
    "StructuredDecisionRequest": request(
        "model instructions chat_template_kwargs cache_salt priority request_id",
        state=FREE,
        questions=QUESTIONS,
        images=MEDIA_LIST,
        audio=MEDIA_LIST,
        videos=MEDIA_LIST,
    ),
    "QuestionSpec": model("type", instructions=FREE, criteria=FREE),
    "TokenizeCompletionRequest": request("model prompt add_special_tokens return_token_strs"),
    "TokenizeChatRequest": request(
        f"model messages {_TEMPLATE} add_special_tokens mm_processor_kwargs return_token_strs tools"
    ),
    "DetokenizeRequest": request("model tokens"),
}
