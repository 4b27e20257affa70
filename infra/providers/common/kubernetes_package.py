"""The two parts of the `kubernetes` package that rayline needs, without importing the rest of it.

They are the kubeconfig with its credentials, and the connection that it describes. The package's
own `__init__` files also import 900 generated models and APIs, which would cost the program and the
plug-in 0.2 s of CPU each, in every preview.
https://github.com/kubernetes-client/python/blob/master/kubernetes/__init__.py
"""

import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

_NAME = "kubernetes"
_WITHOUT_INIT = (_NAME, f"{_NAME}.client")
_LOCK = threading.Lock()
_loaded: "list[Package]" = []


@dataclass(frozen=True)
class Package:
    """The names of https://github.com/kubernetes-client/python that are used."""

    kube_config: Any
    """Module `kubernetes.config.kube_config`."""
    ConfigException: type[Exception]
    Configuration: Any
    RESTClientObject: Any
    """Holds urllib3's `pool_manager` for a Configuration: certificates, proxy, names."""


def load() -> Package:
    """Import the parts, once in a process. Others may import the whole package before or after."""
    with _LOCK:
        if not _loaded:
            with _apart():
                _loaded.append(_import())
        return _loaded[0]


def _import() -> Package:
    _, client = map(_bare, _WITHOUT_INIT)
    configuration = import_module(f"{_NAME}.client.configuration").Configuration
    rest = import_module(f"{_NAME}.client.rest").RESTClientObject
    # What `kubernetes.config` imports from `kubernetes.client`.
    vars(client).update(Configuration=configuration, ApiClient=_whole_client)
    return Package(
        kube_config=import_module(f"{_NAME}.config.kube_config"),
        ConfigException=import_module(f"{_NAME}.config.config_exception").ConfigException,
        Configuration=configuration,
        RESTClientObject=rest,
    )


def _bare(name: str) -> ModuleType:
    """A package whose modules can be imported, although its `__init__` has not run."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"{name}: make setup"
    sys.modules[name] = importlib.util.module_from_spec(spec)
    return sys.modules[name]


@contextmanager
def _apart() -> Iterator[None]:
    """Leaves the modules of the package as they were, so that nobody else gets a bare one."""
    before = _take_out()
    try:
        yield
    finally:
        _take_out()
        sys.modules.update(before)


def _take_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] == _NAME]
    return {name: sys.modules.pop(name) for name in names}


def _whole_client(*arguments: Any, **named: Any) -> Any:
    """`ApiClient`, with which the package asks an OpenID provider for a new token."""
    return import_module(f"{_NAME}.client").ApiClient(*arguments, **named)
