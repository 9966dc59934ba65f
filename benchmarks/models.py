"""Models in OpenAI's shape that take a constant time, in a process of their own: hearing, thinking, speaking.

`python -m benchmarks.models`: writes its port on a line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from array import array

from aiohttp import web

STT_SECONDS, LLM_SECONDS, TTS_SECONDS = 0.1, 0.2, 0.1
SPEECH_RATE = 24_000
ANSWER = "That is good to know."
SPEECH = array(
    "h", (round(8000 * math.sin(2 * math.pi * 300 * at / SPEECH_RATE)) for at in range(int(SPEECH_RATE * 1.2)))
).tobytes()


async def transcriptions(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.sleep(STT_SECONDS)
    return web.json_response({"text": "yes please"})


async def completions(request: web.Request) -> web.StreamResponse:
    await request.read()
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    await asyncio.sleep(LLM_SECONDS)
    for delta, finish in (({"content": ANSWER}, None), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        await stream.write(f"data: {json.dumps(chunk)}\n\n".encode())
    await stream.write(b"data: [DONE]\n\n")
    return stream


async def speech(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.sleep(TTS_SECONDS)
    return web.Response(body=SPEECH)


async def main() -> None:
    logging.disable()  # of requests that are given up: whoever is interrupted wants no answer any more
    app = web.Application()
    app.router.add_post("/v1/audio/transcriptions", transcriptions)
    app.router.add_post("/v1/chat/completions", completions)
    app.router.add_post("/v1/audio/speech", speech)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
