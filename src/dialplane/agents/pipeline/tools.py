"""What the model may ask for during a call: the definition's tools over HTTP, and those that are built in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import httpx2

from dialplane.agents.hosted import HostedCall
from dialplane.agents.pipeline.definition import Tool

MOST_RESULT_BYTES: Final = 16_000  # that are read of an answer, for the model
MOST_ERROR_CHARACTERS: Final = 1000
BODILESS: Final = frozenset({"GET", "DELETE"})
Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]


def facts_of(call: HostedCall) -> Mapping[str, str]:
    """Headers that tell a tool's server which call it is asked for."""
    return {
        "X-Dialplane-Attempt": call.attempt,
        "X-Dialplane-Campaign": str(call.campaign_id),
        "X-Dialplane-To-Number": call.to_number,
        "X-Dialplane-From-Number": call.from_number,
    }


async def asked(tool: Tool, arguments: Mapping[str, Any], call: HostedCall) -> Any:
    """The server's answer, for the model; a failure is an answer as well: {"error": what to know of it}."""
    given: dict[str, Any] = {"params": _plain(arguments)} if tool.method in BODILESS else {"json": dict(arguments)}
    try:
        async with asyncio.timeout(tool.timeout_seconds), httpx2.AsyncClient(timeout=None) as client:
            headers = {**facts_of(call), **tool.headers}
            async with client.stream(tool.method, tool.url, headers=headers, **given) as answer:
                text = await _beginning(answer)
    except TimeoutError:
        return {"error": f"no answer within {tool.timeout_seconds:g} s"}
    except httpx2.HTTPError as fault:
        return {"error": f"the tool cannot be reached: {type(fault).__name__}"}
    if answer.status_code >= 400:
        return {"error": f"the tool answered {answer.status_code}", "text": text[:MOST_ERROR_CHARACTERS]}
    try:
        return json.loads(text)
    except ValueError:
        return {"text": text}


async def _beginning(answer: httpx2.Response) -> str:
    """What is more is left with the server, which may never come to an end."""
    came = bytearray()
    async for part in answer.aiter_bytes():
        came += part
        if len(came) >= MOST_RESULT_BYTES:
            break
    return came[:MOST_RESULT_BYTES].decode(answer.encoding or "utf-8", errors="replace")


def _plain(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {name: each if isinstance(each, str) else json.dumps(each) for name, each in arguments.items()}


def shown(name: str, arguments: Mapping[str, Any], result: Any) -> str:
    """For the transcript.

    >>> shown("book", {"day": "Tuesday"}, {"booked": True})
    '[book day="Tuesday": done]'
    """
    given = "".join(f" {key}={json.dumps(each, ensure_ascii=False)}" for key, each in arguments.items())
    came = result["error"] if isinstance(result, Mapping) and "error" in result else "done"
    return f"[{name}{given}: {came}]"
