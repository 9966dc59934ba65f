"""A FastAPI application with one route, served as `dialplane serve` serves its own."""

from __future__ import annotations

import socket
import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/object")
async def an_object() -> dict[str, object]:
    return {"id": 1, "name": "bench", "state": "running", "total": 1000, "reached": 600}


@app.post("/object")
async def make_an_object(body: dict[str, object]) -> dict[str, object]:
    return {"id": 1, **body}


if __name__ == "__main__":
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        print(f"listens on http://127.0.0.1:{listening.getsockname()[1]}", file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None)).run([listening])
