"""The jobs that clients submit while things are killed: short and long, of one part and of several, to be stopped or not."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from container_engine import ContainerEngine
from programs import Asked, docker_job, forever, sleeper, wasm_job
from slow_s3 import SlowS3


@dataclass(frozen=True)
class Mixture:
    """Half of the jobs are of containers, when there is an engine."""

    s3: SlowS3
    engine: ContainerEngine | None

    def chosen(self, own: random.Random) -> Asked:
        """The next job of a client."""
        if self.engine and own.random() < 0.5:
            return _contained(own, self.engine.image)
        kinds: list[tuple[int, Callable[[], Asked]]] = [
            (30, lambda: _sleeping(own, count=own.randint(1, 3))),
            (25, lambda: self.s3.reader(own, count=own.randint(1, 2))),
            (15, lambda: _stopped(own)),
            (8, lambda: _sleeping(own, kind="ops")),
            (4, lambda: service(own.choice((0.05, 1.0)), stop_after_seconds=own.uniform(0.5, 3.0))),
        ]
        (make,) = own.choices([make for _, make in kinds], [weight for weight, _ in kinds])
        return make()


def service(seconds: float, stop_after_seconds: float | None = None) -> Asked:
    """Two that are begun again and again, until somebody stops the job."""
    return Asked(wasm_job(sleeper(seconds), kind="service", count=2), state="Stopped", stop_after_seconds=stop_after_seconds)


def _sleeping(own: random.Random, *, kind: str = "batch", count: int = 1) -> Asked:
    seconds, code = own.choice((0.02, 0.4, 1.5)), own.choice((0, 7))
    return Asked(wasm_job(sleeper(seconds, code), kind=kind, count=count), exit_code=code)


def _stopped(own: random.Random) -> Asked:
    module, parameter = forever()
    document = wasm_job(module, parameter, count=own.randint(1, 2))
    return Asked(document, state="Stopped", stop_after_seconds=own.uniform(0.0, 2.0))


def _contained(own: random.Random, image: str) -> Asked:
    if own.random() < 0.2:
        document = docker_job(image, "echo first; sleep 60", count=own.randint(1, 2))
        return Asked(document, state="Stopped", stop_after_seconds=own.uniform(0.0, 3.0))
    script = f"echo first; sleep {own.choice((0, 1, 3))}; echo last; exit 7"
    return Asked(docker_job(image, script, count=own.randint(1, 2)), exit_code=7)
