"""What vLLM 0.32 reads although its OpenAPI document does not say so.

Sources: `renderers/chat_utils.py` (`MM_PARSER_MAP` and the branches for parts with a `uuid`),
`entrypoints/openai/chat_completion/protocol.py`, `entrypoints/serve/sagemaker/api_router.py`,
`entrypoints/scale_out` and `sampling_params.py`.
"""

from collections.abc import Mapping

from app.guard.fields.kinds import (
    BAD_WORDS,
    CAP,
    CHOICES,
    CLIP,
    FREE,
    LOGPROBS,
    MEDIA,
    PART_TYPE,
    PRIORITY,
    PRIVILEGED,
    STOP,
    TOKEN_IDS,
)
from app.guard.fields.placement.names import Fields, model

PLACES: Mapping[str, Fields] = {
    # TypedDicts inside OpenAI's models keep additional fields, and a `uuid` makes vLLM look for a
    # medium by name whatever the part's type says.
    "Part": model(
        type=PART_TYPE,
        image_url=MEDIA,
        audio_url=MEDIA,
        video_url=MEDIA,
        input_audio=CLIP,
        image_pil=PRIVILEGED,
        image_embeds=PRIVILEGED,
        audio_embeds=PRIVILEGED,
        video_embeds=PRIVILEGED,
        prompt_embeds=PRIVILEGED,
        # vLLM keeps media by this name for all users: one could read or replace another's.
        uuid=PRIVILEGED,
    ),
    "GenerateRequest": model(
        "model sampling_params stream token_ids", features=FREE, priority=PRIORITY
    ),
    "SamplingParams": model(
        n=CHOICES,
        best_of=CHOICES,
        logprobs=LOGPROBS,
        prompt_logprobs=LOGPROBS,
        stop=STOP,
        bad_words=BAD_WORDS,
        max_tokens=CAP,
        stop_token_ids=TOKEN_IDS,
        allowed_token_ids=TOKEN_IDS,
        logprob_token_ids=TOKEN_IDS,
        logit_bias=TOKEN_IDS,
    ),
}
REFERENCES: Mapping[str, str] = {"GenerateRequest.sampling_params": "SamplingParams"}
"""Fields of `PLACES` whose value is another of them."""

ALSO: Mapping[str, tuple[str, ...]] = {
    # `to_chat_completion_request` copies every field, declared or not, into the other model.
    "BatchChatCompletionRequest": ("ChatCompletionRequest",),
}
"""Models as which a whole request is read besides its own."""

UNDESCRIBED: Mapping[str, tuple[str, ...]] = {
    "/v1/chat/completions/render": ("/v1/chat/completions",),
    "/v1/completions/render": ("/v1/completions",),
    "/v1/messages/render": ("/v1/messages",),
    "/v1/responses/render": ("/v1/responses",),
    "/cohere/v2/chat/render": ("/cohere/v2/chat",),
    # It tries the models of these routes in turn.
    "/invocations": (
        *("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/classify"),
        *("/rerank", "/score", "/pooling"),
    ),
}
"""Routes without a description, and the routes whose models they read."""

UNDESCRIBED_MODELS: Mapping[str, str] = {"/inference/v1/generate": "GenerateRequest"}
"""Routes without a description whose model is one of `PLACES`."""
