"""A real server that lets in only some, and those who ask it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from running import Answer, Running, eventually

from gadus.access.file import AccessFile
from gadus.access.granting import create_token

JOBS = "/api/v1/orchestrator/jobs"


@dataclass
class Guarded:
    """A server with callers: ``guarded("a-reads", "GET", path)``."""

    server: Running
    file: AccessFile
    tokens: dict[str, str]
    jobs: dict[str, str]

    def __call__(self, who: str, method: str, path: str, document: object = None, **headers: str) -> Answer:
        """One request of that caller; "" for who says nothing."""
        token = self.tokens.get(who, who)
        return self.server(method, path, document, **({"Authorization": f"Bearer {token}"} if token else {}), **headers)

    def grant(self, who: str, scopes: str, namespaces: str, lasts_seconds: float | None = 3600) -> str:
        """A new token for `who`."""
        text, _ = create_token(self.file, who, scopes.split(), namespaces.split(), lasts_seconds)
        self.tokens[who] = text.reveal()
        return self.tokens[who]

    def grant_expired(self, who: str) -> None:
        """A token that has ended."""
        self.grant(who, "*", "*")

        def step(register):
            ended = {"expires": time.time() - 1}
            tokens = tuple(one.model_copy(update=ended) if one.name == who else one for one in register.tokens)
            return register.model_copy(update={"tokens": tokens})

        self.file.change(step)

    def wait_for(self, job_id: str) -> None:
        eventually(lambda: self("admin", "GET", f"{JOBS}/{job_id}").document["Job"]["State"]["StateType"] == "Completed")
