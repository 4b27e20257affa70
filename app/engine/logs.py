"""Keeps vLLM's logging configuration from ending the logs of others in the same process.

vLLM configures logging when it is imported, and again for an engine (vllm/logger.py). Python's
`dictConfig` first closes every handler of the process, whoever made it. Of Serve's handler in a
replica this takes the file: the replica's log ends, its records stay in memory for ever, and a
Serve controller that restarts cannot ask the replica for its log file, so it stops the replica
although that is well (ray/serve/_private/logging_utils.py, get_component_logger_file_path).

vLLM's server also quotes requests in its own lines, such as the model that a request names
(entrypoints/openai/engine/serving.py), and exceptions quote what they could not read. `hide_texts`
keeps those out of all logs.
"""

import logging
import logging.config
from collections.abc import MutableMapping
from typing import Any

STREAM = "VLLM_LOGGING_STREAM"
# `sys.stdout` of a replica leads to Serve's log, which keeps up to 1000 lines in memory first.
REAL_STDOUT = "ext://sys.__stdout__"
_OF_THE_ENGINE = (
    "vllm.v1.metrics.",
    "vllm.v1.executor.",
    "vllm.v1.engine.core_client",
)
"""Loggers of a replica whose lines hold ids and counts of requests, and no texts."""
_HIDDEN = "a line of vLLM%s; its text is left out, because it may quote a request"


class KeepsOthers(logging.config.DictConfigurator):
    """Configures as Python does, but closes only the handlers of the loggers that it configures,
    and disables no logger. `incremental` closes nothing by itself."""

    def configure(self) -> None:
        """Raises ValueError for an invalid configuration, as `dictConfig` does."""
        # The default is true, and vLLM's own examples do not set it to false.
        self.config["disable_existing_loggers"] = False
        handlers = logging._handlerList  # type: ignore[attr-defined]  # what dictConfig closes
        replaced = self._replaced()
        kept = [known for known in handlers if not any(known() is each for each in replaced)]
        handlers[:] = [known for known in handlers if known not in kept]
        try:
            super().configure()
        finally:
            handlers[:0] = kept  # so that they are still flushed when the process ends

    def _replaced(self) -> list[logging.Handler]:
        named = [logging.getLogger(str(name)) for name in self.config.get("loggers") or {}]
        if self.config.get("root"):
            named.append(logging.getLogger())
        return [handler for logger in named for handler in logger.handlers]


def keep_logs(environ: MutableMapping[str, str]) -> None:
    """Must run before vLLM is imported. vLLM's own lines go to the process's output, where those of
    the engine's processes are too, unless the environment names another stream."""
    # https://docs.python.org/3/library/logging.config.html#logging.config.dictConfig
    logging.config.dictConfigClass = KeepsOthers
    environ.setdefault(STREAM, REAL_STDOUT)


def hide_texts() -> None:
    """From now on, leave the text out of each line of vLLM in this process that may quote a
    request. Its level, its place in vLLM's code and the type of its exception stay.

    It changes the records, so that no handler of any configuration gets the text. To be called once
    the engine has started: the lines before are about the engine.
    """
    make = logging.getLogRecordFactory()

    def made(
        name: str, level: int, path: str, line: int, message: object, given: Any, error: Any,
        *more: Any, **named: Any,
    ) -> logging.LogRecord:  # fmt: skip
        if not name.startswith("vllm") or name.startswith(_OF_THE_ENGINE):
            return make(name, level, path, line, message, given, error, *more, **named)
        kind = f" about {error[0].__name__}" if error and error[0] else ""
        return make(name, level, path, line, _HIDDEN, (kind,), None)

    logging.setLogRecordFactory(made)
