"""Answers that are made while they are sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi.responses import StreamingResponse


async def streamed(parts: AsyncGenerator[str, None], media_type: str, *, name: str | None = None) -> StreamingResponse:
    """The parts, one after the other, as a download where it has a name.

    The first one is made before anything is sent, so that what it raises is answered as for any other route. What a
    later one raises cuts the connection: the client sees that the answer is not whole.
    """
    first = await anext(parts, "")
    headers = {} if name is None else {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_sent(first, parts), media_type=media_type, headers=headers)


async def _sent(first: str, rest: AsyncGenerator[str, None]) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield first.encode()
        async for part in rest:
            yield part.encode()
