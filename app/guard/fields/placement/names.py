"""The usual kind of a field name in a request model, and how placements are written.

The names save repetition in the data and decide nothing by themselves: a name counts only for a
model that lists it, and a model may give it another kind.
"""

from collections.abc import Mapping

from app.guard.fields import kinds
from app.guard.fields.kinds import Kind

Fields = Mapping[str, Kind]

_USUAL: Mapping[Kind, str] = {
    kinds.MODEL: "model",
    kinds.CHOICES: "n best_of",
    kinds.BEAMS: "use_beam_search",
    kinds.LOGPROBS: "top_logprobs prompt_logprobs",
    kinds.STOP: "stop stop_sequences",
    kinds.BAD_WORDS: "bad_words",
    kinds.TOKEN_IDS: "logit_bias logprob_token_ids allowed_token_ids stop_token_ids "
    "label_token_ids",
    kinds.MESSAGES: "messages",
    kinds.TOOLS: "tools",
    kinds.GRAMMAR: "response_format structured_outputs",
    kinds.TEMPLATE_ARGUMENTS: "chat_template_kwargs",
    kinds.PRIORITY: "priority",
    kinds.FREE: "metadata",
    kinds.PRIVILEGED: "chat_template ec_transfer_params kv_transfer_params media_io_kwargs "
    "mm_payload mm_processor_kwargs padding prompt_embeds request_id return_mm_kwargs vllm_xargs",
}
USUAL: Fields = {name: kind for kind, names in _USUAL.items() for name in names.split()}


def request(names: str, **others: Kind) -> Fields:
    """A request model: these fields with their usual kinds, and others with these kinds."""
    return {**{name: USUAL.get(name, kinds.PLAIN) for name in names.split()}, **others}


def model(names: str = "", **others: Kind) -> Fields:
    """A model inside a request: these fields are plain, the others have these kinds."""
    return {**dict.fromkeys(names.split(), kinds.PLAIN), **others}


def rows(*given: tuple[str, str]) -> dict[str, Fields]:
    """Models that have the same plain fields: pairs of (models, fields)."""
    return {name: model(names) for models, names in given for name in models.split()}
