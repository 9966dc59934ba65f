"""How aiosql runs a statement on one of our connections: never on a pool, so nothing is acquired."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiosql.adapters.asyncpg import AsyncPGAdapter


class ConnectionAdapter(AsyncPGAdapter):
    """aiosql's own, without its look at each call whether it was given a pool: that took longer than many a call."""

    async def select(self, conn: Any, name: str, sql: str, values: Mapping[str, Any], *_: Any) -> AsyncIterator[Any]:
        for row in await conn.fetch(sql, *self._ordered(name, values)):
            yield row

    async def select_one(self, conn: Any, name: str, sql: str, values: Mapping[str, Any], *_: Any) -> Any:
        return await conn.fetchrow(sql, *self._ordered(name, values))

    async def select_value(self, conn: Any, name: str, sql: str, values: Mapping[str, Any]) -> Any:
        return await conn.fetchval(sql, *self._ordered(name, values))

    async def insert_update_delete(self, conn: Any, name: str, sql: str, values: Mapping[str, Any]) -> Any:
        return await conn.execute(sql, *self._ordered(name, values))

    def _ordered(self, name: str, values: Mapping[str, Any]) -> Sequence[Any]:
        ordered: Sequence[Any] = self.maybe_order_params(name, values)  # type: ignore[no-untyped-call]
        return ordered
