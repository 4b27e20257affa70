"""Resources that no package offers, and the plug-in that provides them to Pulumi's engine.

Every resource is `infra.providers.<x>` with a dataclass `XArgs` and a class `X(name, XArgs(...),
opts)`, both for the program, and a provider class, which runs in the plug-in's process. `plugin`
starts that process, and `common` contains the code that several of them share.
"""
