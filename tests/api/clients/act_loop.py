"""One line of JSON in, an act with a client, one line of JSON out; in the client's own interpreter."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def run(act: Callable[..., Any]) -> None:
    """act: takes a line's values by name; what it returns is answered, and what it raises."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout = sys.stderr  # a client that prints what it was answered says nothing here
    for line in sys.stdin:
        try:
            answer = {"answer": act(**json.loads(line))}
        except Exception as fault:
            answer = {"fault": f"{type(fault).__name__}: {fault}"}
        print(json.dumps(answer, default=str), file=answers, flush=True)
