"""What each field of a request means, by route and place, and the judging of a request by it.

`placement` is the data: every field of vLLM's request models has one kind there. `schema` reads the
application's OpenAPI document with it, `judge` walks over a request along the result, and `shape`
says what multiplies the work of a request.
"""
