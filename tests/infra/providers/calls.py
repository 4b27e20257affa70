"""A call of the engine, for tests of a provider's methods."""

import threading
from dataclasses import dataclass, field

from infra.providers.common.call import Call, Clock
from tests.infra.providers.common.fake_api_server import FakeClock


@dataclass
class FakeCall(Call):
    """Records the lines that it shows; time passes only during `sleep`."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    fake: FakeClock = field(default_factory=FakeClock)

    @property
    def clock(self) -> Clock:
        return self.fake


def call(clock: FakeClock | None = None) -> FakeCall:
    lines: list[str] = []
    warnings: list[str] = []
    return FakeCall(
        lines.append, warnings.append, threading.Event(), lines, warnings, clock or FakeClock()
    )
