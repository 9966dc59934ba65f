"""Whether the server works: for load balancers and people."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from dialplane import __version__
from dialplane.api.access import ServerDep

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: str
    version: str


@router.get("/health")
@router.get("/api/v1/health", include_in_schema=False)
async def health(server: ServerDep) -> Health:
    """Answers 200 while the database can be reached; no key is needed."""
    async with server.database.connection() as connection:
        await connection.fetchval("SELECT 1")
    return Health(status="ok", version=__version__)
