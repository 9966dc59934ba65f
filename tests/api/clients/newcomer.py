"""Somebody who comes to a server: a key, and what an organization begins with."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from checks import LogLine
from served import Served
from typer.testing import CliRunner

from dialplane.cli.main import app


@dataclass(frozen=True)
class Newcomer:
    """The owner of an organization with nothing but the examples."""

    served: Served
    key: str

    @classmethod
    def of(cls, served: Served) -> Newcomer:
        """By `dialplane keys create`, in this process: one of its own would take longer than most tests."""
        command = ["keys", "create", "--org", str(uuid4()), "--json"]
        env = {name: None for name in os.environ if name.startswith("DIALPLANE_")}
        env |= {"DIALPLANE_HOME": str(served.home)}
        done = CliRunner().invoke(app, command, env=env, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return cls(served, json.loads(done.stdout)["key"])

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """At the native door; with 200 and JSON as an answer."""
        answer = self.served.ask(method, f"/api/v1{path}", key=self.key, **request)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def let_calls_be_short(self, talk_seconds: float) -> None:
        """Whoever has no magic number answers; the simulated carrier is otherwise as it was."""
        (carrier,) = self.ask("GET", "/organizations/telephony-configs")["configurations"]
        config = {
            "provider": "simulated", "outcomes": {"answered": 1}, "ring_seconds": [0.01, 0.02],
            "talk_seconds": [talk_seconds, talk_seconds],
        }  # fmt: skip
        self.ask("PUT", f"/organizations/telephony-configs/{carrier['id']}", json={"config": config})

    def placed(self, attempt_ids: Collection[str]) -> list[LogLine]:
        """What the carrier has noted of these calls: a line for each time that one of them was placed."""
        return [line for line in self.served.carrier_log() if line.event == "place" and line.attempt_id in attempt_ids]
