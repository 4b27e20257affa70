"""Runs a soak: load, disturbances at their times, and samples of what the parts use."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from bench.faults import processes
from bench.faults.seen import Event
from bench.soak import schedule
from bench.soak.flat import Sample
from bench.soak.load import Load
from bench.soak.report import Deployed, Soak
from bench.soak.schedule import Action
from bench.soak.stack import Stack

SAMPLE_SECONDS = 5.0
SETTLING_SECONDS = 20.0
SAMPLED = {
    "head": ("control store", "controller", "head's HAProxy", "head's raylet"),
    "worker": ("worker's HAProxy", "worker's raylet"),
    "replica": ("replica",),
    "engine": ("engine",),
}


def soak(minutes: float, stack: Stack, say: Callable[[str], None]) -> Soak:
    """`stack` has begun. Disturbances take place at their times also while an `up` runs."""
    access = stack.begin()
    load = Load(access)
    time.sleep(SETTLING_SECONDS)
    planned = schedule.actions(minutes)
    done: list[Action] = []
    ups: list[Future[Deployed]] = []
    samples: list[Sample] = []
    over = threading.Event()
    began = time.monotonic()
    sampler = threading.Thread(target=_sample, args=(began, over, samples))
    with ThreadPoolExecutor(1) as deploying, load.working():
        sampler.start()
        try:
            for number, action in enumerate(planned):
                time.sleep(max(0.0, began + action.at - time.monotonic()))
                real = replace(action, at=time.monotonic() - began)
                say(f"{real.at:6.0f} s: {action}")
                if action.part:
                    _kill(action.part, number, say)
                else:
                    ups.append(deploying.submit(stack.change, real))
                done.append(real)
            time.sleep(max(0.0, began + minutes * 60 - time.monotonic()))
        finally:
            over.set()
            sampler.join()
    return Soak(
        seconds=time.monotonic() - began,
        events=_since(began, load.events),
        actions=done,
        ups=[up.result() for up in ups],
        samples=samples,
    )


def _kill(part: str, turn: int, say: Callable[[str], None]) -> None:
    """A part that is just not there, because of the kill before, cannot be killed."""
    try:
        processes.kill(part, turn)
    except LookupError as error:
        say(f"         {error}")


def _since(began: float, events: Sequence[Event]) -> list[Event]:
    return [
        replace(event, began=event.began - began, ended=event.ended - began) for event in events
    ]


def _sample(began: float, over: threading.Event, samples: list[Sample]) -> None:
    while not over.wait(SAMPLE_SECONDS):
        found = processes.in_pods()
        at = time.monotonic() - began
        for name, parts in SAMPLED.items():
            every = [process for part in parts for process in found[part]]
            samples.append(Sample(at, name, *processes.memory_and_descriptors(every)))
