"""The one comment per pull or merge request, identified by its first line and its author."""

from collections.abc import Mapping

from ci import rest
from ci.markdown import MARKER
from ci.provider import Comments, Provider
from ci.rest import UnsureError

_CREATIONS = 3


def publish(provider: Provider, body: str, environ: Mapping[str, str]) -> str:
    """Write the comment of this job's request.

    Returns one line that states what was done, or why nothing was. CommentError if the server
    refuses.
    """
    if missing := provider.missing(environ):
        return f"no comment: {missing}"
    with provider.comments(environ) as comments:
        return f"comment {upsert(comments, body)}"


def upsert(comments: Comments, body: str) -> str:
    """Write `body` into our comment, or into a new one; returns "updated" or "created".

    Anybody can write the marker, so only a comment of our own user counts. A creation that got no
    answer may have succeeded, so the comments are read again before the next attempt.
    """
    for attempt in range(_CREATIONS):
        for comment in comments.ours():
            if str(comment.get("body", "")).lstrip().startswith(MARKER):
                comments.update(int(comment["id"]), body)
                return "updated"
        try:
            comments.create(body)
            return "created"
        except UnsureError:
            if attempt == _CREATIONS - 1:
                raise
            rest.pause(2.0**attempt)
    raise AssertionError("the last attempt returns or raises")
