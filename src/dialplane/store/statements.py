"""The named statements in `queries/`: each file is understood when one of its statements is first asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import aiosql

from dialplane.store.adapter import ConnectionAdapter

_NAME: Final = re.compile(r"^-- name: (\w+)", re.MULTILINE)
_adapter: Any = ConnectionAdapter


class Statements:
    """Each is an attribute. To understand all files takes a tenth of a second, and most commands need few of them.

    All are read at once: a process keeps its own statements, also where a newer version is installed meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))]
        self._text_of = {name: text for text in texts for name in _NAME.findall(text)}

    def __getattr__(self, name: str) -> Any:
        text = self._text_of.get(name)
        if text is None:
            raise AttributeError(f"no statement is called {name}")
        queries = aiosql.from_str(text, _adapter, mandatory_parameters=True)
        self.__dict__ |= {each: getattr(queries, each) for each in queries.available_queries}
        return self.__dict__[name]

    @property
    def available_queries(self) -> list[str]:
        return sorted(self._text_of)
