"""Behind a pooler in transaction mode: what a session would remember is said anew in each transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

HINT = (
    "a pooler in transaction mode is in between: set DIALPLANE_DATABASE_POOLER=on, "
    "or let DIALPLANE_DATABASE_URL name the server itself"
)
NOT_PASSED_ON = "unsupported startup parameter"  # what PgBouncer says to settings of a session


def set_local(settings: Mapping[str, str]) -> str:
    """Statements that hold until the end of their transaction."""
    return "; ".join(f"SET LOCAL {name} = {_quoted(value)}" for name, value in settings.items())


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


class Alone:
    """A connection whose statements each have a transaction of their own, which begins with the settings."""

    def __init__(self, connection: Any, settings: str) -> None:
        self._connection = connection
        self._begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; {settings}"

    def __getattr__(self, name: str) -> Any:
        """What runs no statement, such as get_settings."""
        return getattr(self._connection, name)

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        return await self._alone(self._connection.execute, arguments, options)

    async def executemany(self, *arguments: Any, **options: Any) -> Any:
        return await self._alone(self._connection.executemany, arguments, options)

    async def fetch(self, *arguments: Any, **options: Any) -> Any:
        return await self._alone(self._connection.fetch, arguments, options)

    async def fetchrow(self, *arguments: Any, **options: Any) -> Any:
        return await self._alone(self._connection.fetchrow, arguments, options)

    async def fetchval(self, *arguments: Any, **options: Any) -> Any:
        return await self._alone(self._connection.fetchval, arguments, options)

    async def _alone(
        self, run: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        await self._connection.execute(self._begin)
        try:
            result = await run(*arguments, **options)
        except BaseException:
            if not self._connection.is_closed():
                await self._connection.execute("ROLLBACK")
            raise
        await self._connection.execute("COMMIT")
        return result
