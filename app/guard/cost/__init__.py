"""How much work a request would be for the engine, found out from its document before it runs."""
