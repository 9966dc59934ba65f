"""`/file`: uploaded files. One that nobody asks for within a week, and that no campaign has, is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, UploadFile
from pydantic import Field

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.contracts.vapi.shapes import Camel, CamelBody, as_uuid
from dialplane.api.links import download_link
from dialplane.api.route import Route
from dialplane.engine.uploads import PAGE, UploadRecord
from dialplane.errors import Invalid, NotFound
from dialplane.wiring import App

CHUNK_BYTES = 1 << 20
MOST_NAME_CHARACTERS = 255
UNNAMED, UNTYPED = "file", "application/octet-stream"
FileId = Annotated[str, Path(alias="id", max_length=100, description="The file's uuid")]

router = APIRouter(prefix="/file", tags=["files"], route_class=Route)


class FileChange(CamelBody):
    name: str | None = Field(None, min_length=1, max_length=40)


class File(Camel):
    """A file that has been kept, whole."""

    id: UUID
    org_id: UUID
    object: Literal["file"] = "file"
    status: Literal["done"] = "done"
    name: str
    original_name: str
    bytes: int
    mimetype: str
    path: str = Field(description="Its key: what a campaign of /api/v1 is made from")
    url: str = Field(description="A link to download it, without a key; it works for a quarter of an hour")
    created_at: datetime
    updated_at: datetime


@router.post("", status_code=201)
async def create_file(request: Request, app: OperatorApp, file: UploadFile) -> File:
    """Keep the `file` of a form; 10 MiB are the most. Larger ones: /api/v1/s3/presigned-upload-url."""
    name = (file.filename or UNNAMED)[-MOST_NAME_CHARACTERS:]
    if "\0" in name:
        raise Invalid("file: its name holds a NUL character")
    key = await app.uploads.expect(name, (file.content_type or UNTYPED)[:MOST_NAME_CHARACTERS])
    await app.uploads.receive(key, _chunks(file))
    return await _view(request, app, await app.uploads.received(key))


@router.get("")
async def list_files(
    request: Request, app: ViewerApp, limit: Annotated[int, Query(ge=0, le=1000)] = PAGE
) -> list[File]:
    """Newest first."""
    return [await _view(request, app, upload) for upload in await app.uploads.newest(limit=limit)]


@router.get("/{id}")
async def get_file(request: Request, app: ViewerApp, file_id: FileId) -> File:
    """One file."""
    return await _view(request, app, await _named(app, file_id))


@router.patch("/{id}")
async def update_file(request: Request, app: OperatorApp, file_id: FileId, body: FileChange) -> File:
    """Give it another name."""
    upload = await _named(app, file_id)
    if body.name is not None:
        await app.uploads.rename(upload.key, body.name)
    return await _view(request, app, await _named(app, file_id))


@router.delete("/{id}")
async def delete_file(request: Request, app: OperatorApp, file_id: FileId) -> File:
    """Unless a campaign has its contacts from it."""
    upload = await _named(app, file_id)
    as_it_was = await _view(request, app, upload)
    await app.uploads.delete(upload.key)
    return as_it_was


async def _named(app: App, text: str) -> UploadRecord:
    """Raises NotFound."""
    uuid = as_uuid(text)
    if uuid is None:
        raise NotFound("File not found")
    return await app.uploads.by_uuid(uuid)


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(CHUNK_BYTES):
        yield chunk


async def _view(request: Request, app: App, upload: UploadRecord) -> File:
    url, _ = await download_link(request, app.organization_id, upload.key, name=upload.name)
    return File(
        id=upload.uuid,
        org_id=await app.directory.organization(),
        name=upload.name,
        original_name=upload.name,
        bytes=upload.bytes,
        mimetype=upload.content_type,
        path=upload.key,
        url=url,
        created_at=upload.created_at,
        updated_at=upload.received_at,
    )
