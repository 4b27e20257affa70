"""The kinds of fields: what the guard does with a value at a place of a request.

A field has exactly one kind at a place. A place is an object of a request model, known by the name
of its schema in OpenAPI; where a place is read as several models, all their kinds apply.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is judged. `bound` is a field of `Bounds`, `least` the smallest number.

    `place` names a schema as which vLLM reads the value besides the one that OpenAPI gives.
    """

    name: str
    bound: str = ""
    least: int = 0
    place: str = ""


PLAIN = Kind("plain")
"""Text, a switch or a number that multiplies nothing, or an object whose own fields are placed."""
FREE = Kind("free")
"""JSON of the client that vLLM passes on as text: only its depth is bounded."""
MODEL = Kind("model")
"""The name of the model, which the role must allow."""
CAP = Kind("cap")
"""The largest completion of one choice, in tokens."""
BEAMS = Kind("beams")
"""A switch that makes the number of choices the width of a beam search."""
CHOICES = Kind("count", "n", 1)
"""Answers per prompt: each is generated separately."""
LOGPROBS = Kind("count", "logprobs")
PATTERN = Kind("count", "repetition_pattern")
"""Token patterns that the scheduler compares after each token of the request."""
STOP = Kind("texts", "stop")
BAD_WORDS = Kind("texts", "token_ids")
TOKEN_IDS = Kind("list", "token_ids")
INPUTS = Kind("list", "inputs")
"""Texts, or pairs of texts, each of which is a prompt."""
QUESTIONS = Kind("list", "prompts")
"""Questions, each of which is a prompt together with the rest of the request."""
PROMPTS = Kind("prompts", "prompts")
"""One prompt as text or token ids, or a list of prompts."""
INPUT = Kind("prompts", "inputs")
MESSAGES = Kind("messages", "prompts")
"""A conversation, or a list of conversations."""
PARTS = Kind("parts", place="Part")
"""Content that vLLM reads as parts of a chat message, whatever model the route declares."""
PART_TYPE = Kind("part type")
"""The type of a content part, by which vLLM chooses what it reads."""
MEDIA = Kind("media")
"""An address that vLLM fetches: text, or an object with `url`."""
MEDIA_LIST = Kind("media list")
"""A list of such addresses."""
CLIP = Kind("clip")
"""A medium inside the request, as an object."""
SOURCE = Kind("source")
"""Anthropic's source of an image: an address, or data."""
BLOCKS = Kind("parts", place="AnthropicContentBlock")
"""Content that vLLM reads as Anthropic's blocks although OpenAPI declares free JSON."""
TOOLS = Kind("list", "tools")
GRAMMAR = Kind("grammar")
"""`app.guard.grammar` judges it by what it costs."""
TEMPLATE_ARGUMENTS = Kind("template arguments")
"""Variables for the chat template of the model."""
PRIVILEGED = Kind("privileged")
"""Reaches into the engine: it needs the group `operate`, on every route, at the top of the body."""
PLUGIN = Kind("privileged here")
"""Likewise, but only at this place, because the name means something harmless elsewhere."""
PRIORITY = Kind("priority")
CLOSED = Kind("closed")
"""A field of the application that nobody has placed."""
UNJUDGED = frozenset({PLAIN, FREE, MODEL, CAP, BEAMS, GRAMMAR})
"""Kinds that need no look at the value here: `app.guard.cost` and `app.guard.grammar` judge the
work of a request, and `app.access.permissions` its model."""
