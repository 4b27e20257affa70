"""What a grammar of a request costs, found out before vLLM converts and compiles it.

vLLM 0.32 converts a grammar on the event loop of the replica and compiles it in threads of the
engine, without a limit on either. Here the grammars of a request are found (`found`), measured
without running anything (`schema`, `regex`), and then compiled once in a process that the kernel
ends at its limits (`compiler`, `helper`).
"""
