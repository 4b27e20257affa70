"""What the real vLLM would act on in bodies: its own models and its own reading of messages.

Reads pairs of [route, document] as JSON lines and prints one line for each: the name of an error
for a body that vLLM rejects, otherwise the fields of `tests.app.guard.reader.Read`. It is a
separate process, so that the tests do not import vLLM. No engine runs and nothing is fetched: the
parser of content parts records what it was asked to fetch.
"""

import io
import json
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from fastapi import UploadFile
from pydantic import TypeAdapter
from vllm.entrypoints.anthropic import protocol as anthropic
from vllm.entrypoints.anthropic.serving import AnthropicServingMessages
from vllm.entrypoints.generate.generative_scoring.serving import GenerativeScoringRequest
from vllm.entrypoints.generate.structured_decisions.protocol import StructuredDecisionRequest
from vllm.entrypoints.openai.chat_completion import protocol as chat
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest
from vllm.entrypoints.openai.responses.utils import construct_input_messages
from vllm.entrypoints.pooling.classify.protocol import ClassificationRequest
from vllm.entrypoints.pooling.embed.protocol import CohereEmbedRequest, EmbeddingRequest
from vllm.entrypoints.pooling.pooling.protocol import PoolingRequest
from vllm.entrypoints.pooling.scoring.protocol import RerankRequest, ScoreRequest
from vllm.entrypoints.serve.tokenize.protocol import TokenizeRequest
from vllm.entrypoints.speech_to_text.transcription.protocol import TranscriptionRequest
from vllm.entrypoints.speech_to_text.translation.protocol import TranslationRequest
from vllm.renderers import chat_utils

from tests.app.guard.reader import COUNTED, REACHING

MODELS: dict[str, Any] = {
    "/v1/chat/completions": chat.ChatCompletionRequest,
    "/v1/chat/completions/batch": chat.BatchChatCompletionRequest,
    "/v1/completions": CompletionRequest,
    "/v1/responses": ResponsesRequest,
    "/v1/messages": anthropic.AnthropicMessagesRequest,
    "/v1/messages/count_tokens": anthropic.AnthropicCountTokensRequest,
    "/v1/embeddings": EmbeddingRequest,
    "/v2/embed": CohereEmbedRequest,
    "/pooling": PoolingRequest,
    "/classify": ClassificationRequest,
    **dict.fromkeys(("/score", "/v1/score"), ScoreRequest),
    **dict.fromkeys(("/rerank", "/v1/rerank", "/v2/rerank"), RerankRequest),
    "/tokenize": TokenizeRequest,
    "/v1/systemone": StructuredDecisionRequest,
    "/generative_scoring": GenerativeScoringRequest,
    "/v1/audio/transcriptions": TranscriptionRequest,
    "/v1/audio/translations": TranslationRequest,
}
ADAPTERS = {path: TypeAdapter(model) for path, model in MODELS.items()}
CONFIG = SimpleNamespace(enable_prompt_embeds=True)


class Recorder(chat_utils.BaseMultiModalContentParser):  # type: ignore[misc]
    """vLLM's interface for the media of a message; it notes them instead of fetching them."""

    model_config = CONFIG

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[Any] = []
        self.reaching: list[str] = []

    def create_parser(self, mm_processor_kwargs: Any = None) -> "Recorder":
        return self

    def _fetch(self, address: Any, uuid: Any = None) -> None:
        if address:
            self.addresses.append(address)
        self._named(uuid)

    def _named(self, uuid: Any) -> None:
        if uuid is not None:
            self.reaching.append("uuid")

    def _tensor(self, value: Any, uuid: Any = None) -> None:
        if value is not None:
            self.reaching.append("tensor")
        self._named(uuid)

    parse_image = parse_audio = parse_video = _fetch
    parse_image_embeds = parse_audio_embeds = parse_video_embeds = _tensor
    parse_image_pil = parse_prompt_embeds = _tensor

    def parse_input_audio(self, input_audio: Any, uuid: Any = None) -> None:
        if input_audio:
            input_audio.get("data")
        self._named(uuid)


def messages_of(template: str, request: Any) -> Iterator[Any]:
    """The chat messages that vLLM would render."""
    if template.startswith("/v1/messages"):
        yield from AnthropicServingMessages.to_chat_completion_request(request).messages
    elif template == "/v1/responses":
        yield from construct_input_messages(request_input=request.input)
    elif template in ("/score", "/v1/score", "/rerank", "/v1/rerank", "/v2/rerank"):
        pairs = (
            getattr(request, name, None) for name in ("data_1", "data_2", "query", "documents")
        )
        for given in pairs:
            for one in given if isinstance(given, list) else [given]:
                if isinstance(one, dict):
                    yield {"role": "user", "content": one["content"]}
    elif "messages" in type(request).model_fields:
        for one in request.messages:
            yield from one if isinstance(one, list) else [one]


def caps_and_counts(template: str, request: Any, document: Any) -> tuple[Any, dict[str, int]]:
    """The tokens of one answer, and the numbers that multiply."""
    ones = [request]
    if template == "/v1/chat/completions/batch":
        ones = [request.to_chat_completion_request(m) for m in request.messages]
    if template == "/v1/messages":
        ones = [AnthropicServingMessages.to_chat_completion_request(request)]
    caps = []
    counts: dict[str, int] = {}
    for one in ones:
        names = ("max_completion_tokens", "max_tokens", "max_output_tokens")
        own = [name for name in names if name in type(one).model_fields]
        caps.append(next((getattr(one, n) for n in own if getattr(one, n) is not None), None))
        for name in COUNTED.get(template, ()):
            value = getattr(one, name, None)
            if name in type(one).model_fields and value is not None:
                counts[name] = max(value, counts.get(name, 0))
    given = [cap for cap in caps if cap is not None]
    return (max(given) if len(given) == len(caps) else None), counts


def read(template: str, document: dict[str, Any]) -> dict[str, Any]:
    """Raises what vLLM raises for a body that it rejects."""
    if "/audio/" in template:
        document = {**document, "file": UploadFile(io.BytesIO(b"RIFF"))}
    request = ADAPTERS[template].validate_python(document)
    recorder = Recorder()
    for message in messages_of(template, request):
        if isinstance(message, dict):
            chat_utils._parse_chat_message_content(message, recorder, "openai", False)
    addresses = [*recorder.addresses]
    for name in ("images", "audio", "videos"):
        if template in ("/v1/systemone", "/v2/embed"):
            addresses += getattr(request, name, None) or []
    for item in (getattr(request, "inputs", None) or []) if template == "/v2/embed" else []:
        addresses += [part.image_url["url"] for part in item.content if part.image_url]
    reaching = [*recorder.reaching]
    for name in REACHING:
        given = name in request.model_fields_set or name in (request.model_extra or {})
        if given and getattr(request, name, None) is not None:
            reaching.append(name)
    if (getattr(request, "priority", 0) or 0) != 0:
        reaching.append("priority")
    if (getattr(request, "chat_template_kwargs", None) or {}).get("chat_template"):
        reaching.append("chat_template")
    cap, counts = caps_and_counts(template, request, document)
    return {
        "model": request.model,
        "cap": cap,
        "reaching": reaching,
        "addresses": [one if isinstance(one, str) else repr(one) for one in addresses],
        "counts": counts,
    }


def main(report: Callable[[str], Any] = sys.stdout.write) -> None:
    """Answer every line."""
    for line in sys.stdin:
        template, document = json.loads(line)
        try:
            found: Any = read(template, document)
        except Exception as error:
            found = type(error).__name__
        report("=" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
