"""What pipecat writes to the log, without what it says: its messages quote transcripts, and now and then a key."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from loguru import logger


def be_quiet() -> None:
    """Warnings and worse go to standard error as the place in the code that they come from."""
    logger.remove()
    logger.add(
        sys.stderr,
        level="WARNING",
        format="{level} {name}:{line} {function}",
        colorize=False,
        backtrace=False,
        diagnose=False,
        filter=_without_words,
    )
    warnings.filterwarnings("ignore", module="pipecat")


def _without_words(record: Any) -> bool:
    record["exception"] = None  # its text is that of the message again
    return True
