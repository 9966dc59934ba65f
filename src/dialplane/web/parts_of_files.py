"""A file, or the part of it that a browser asks for: Range -> 206. Source: RFC 9110, section 14."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse

Part = Callable[[int, int], Awaitable[AsyncIterator[bytes]]]  # the bytes of a file from one place up to another

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


async def answered_in_part(wanted: str | None, size: int, part: Part, *, media_type: str, name: str | None) -> Response:
    """wanted: the header Range, if there is one. name: of the download; None: it is played on the page."""
    headers = {"Accept-Ranges": "bytes"}
    if name is not None:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    found = None if wanted is None else span(wanted, size)
    if found is None:
        headers["Content-Length"] = str(size)
        return StreamingResponse(await part(0, size), headers=headers, media_type=media_type)
    start, stop = found
    if start >= stop:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    headers |= {"Content-Length": str(stop - start), "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return StreamingResponse(await part(start, stop), 206, headers, media_type=media_type)


def span(wanted: str, size: int) -> tuple[int, int] | None:
    """From which byte up to which, exclusive; None: all of it, since this is no single range; empty: none is there.

    >>> span("bytes=2-5", 10), span("bytes=7-", 10), span("bytes=-3", 10), span("bytes=1-2,4-5", 10)
    ((2, 6), (7, 10), (7, 10), None)
    """
    found = _ONE_RANGE.fullmatch(wanted.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    if found[2] and int(found[2]) < int(found[1]):
        return None
    return min(int(found[1]), size), min(int(found[2]) + 1, size) if found[2] else size
