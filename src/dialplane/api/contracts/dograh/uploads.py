"""`/s3/...`: links to upload a contacts file and to download what the organization has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.links import LONGEST_SECONDS, download_link, upload_link
from dialplane.api.route import Route
from dialplane.engine.artifacts import artifacts, attempt_of
from dialplane.errors import Invalid, NotFound
from dialplane.voice.channels import Channel
from dialplane.voice.flac import FLAC
from dialplane.wiring import App

LARGEST_ID = 2**63 - 1
FILE_NAME = r".*\.(csv|xlsx|xls)$"
DEFAULT_NAME = "contacts.csv"
OF_ORGANIZATION = re.compile(r"(campaigns|knowledge_base|recordings)/(\d{1,19})/.+", re.ASCII)
OF_RUN = re.compile(r"recordings/(\d{1,19})(\.wav|/user\.wav|/bot\.wav)", re.ASCII)
SIDES = {"/user.wav": Channel.CONTACT, "/bot.wav": Channel.AGENT}

router = APIRouter(prefix="/s3", tags=["files"], route_class=Route)

Name = Annotated[str | None, Field(pattern=FILE_NAME, max_length=255, examples=["contacts.csv"])]
Key = Annotated[str, Query(min_length=1, max_length=1024, description="file_key of an upload, or key of a run's file")]


class UploadRequest(BaseModel):
    """The file that is to come: in Dograh's words, in Sysevo's, or none of them."""

    model_config = ConfigDict(extra="allow")

    file_name: Name = None
    file_size: int | None = Field(
        default=None, gt=0, description="In bytes; the upload must have exactly as many", examples=[1024]
    )
    filename: Name = Field(default=None, description="The same as file_name, which takes no file_size")
    content_type: str = Field(default="text/csv", max_length=255, pattern=r"^[\x20-\x7e]+$")
    purpose: str | None = Field(
        default=None, max_length=100, description="Uploads are contacts of campaigns, whatever it says"
    )


class UploadLink(BaseModel):
    """PUT the raw bytes to `upload_url`, without a key; then make a campaign of `file_key`."""

    upload_url: str
    file_key: str = Field(description="source_id or contacts_file_key of a campaign")
    s3_key: str = Field(description="The same as file_key")
    expires_in: int = Field(description="Seconds")
    max_bytes: int = Field(description="The largest file that is taken")
    warnings: list[str] = []


class SignedUrl(BaseModel):
    url: str
    expires_in: int = Field(description="Seconds; 900 at most")


class FileMetadata(BaseModel):
    key: str
    metadata: dict[str, Any] | None


@router.post("/presigned-upload-url")
async def create_upload_url(request: Request, app: OperatorApp, body: UploadRequest | None = None) -> UploadLink:
    """A link to which the bytes of a contacts file are sent, once: CSV or an Excel workbook."""
    body = body or UploadRequest()
    name = _name_of(body)
    if body.file_size is not None and body.file_size > app.uploads.max_bytes:
        most = app.uploads.max_bytes
        raise _misfit("file_size", "less_than_equal", f"Input should be less than or equal to {most}", body.file_size)
    key = await app.uploads.expect(name, body.content_type)
    url, seconds = await upload_link(request, app.organization_id, key, size=body.file_size)
    return UploadLink(
        upload_url=url,
        file_key=key,
        s3_key=key,
        expires_in=seconds,
        max_bytes=app.uploads.max_bytes,
        warnings=[f"'{unknown}' is not known and was ignored" for unknown in body.model_extra or {}],
    )


@router.get("/signed-url")
async def create_download_url(
    request: Request,
    app: ViewerApp,
    key: Key,
    expires_in: Annotated[
        int, Query(ge=1, le=LARGEST_ID, description="Seconds; more than 900 are 900")
    ] = LONGEST_SECONDS,
    inline: Annotated[bool, Query(description="Show it in the browser")] = False,
    channel: Annotated[Channel, Query(description="Of a stereo recording: who is heard")] = Channel.BOTH,
    storage_backend: Annotated[str | None, Query(max_length=100, description="There is one, whatever it says")] = None,  # noqa: ARG001
) -> SignedUrl:
    """A link to download a file, without a key."""
    found = await _find(app, key)
    run = OF_RUN.fullmatch(key)
    side = SIDES.get(run[2], channel) if run else Channel.BOTH
    url, seconds = await download_link(
        request, app.organization_id, found.key, name=found.name, inline=inline, seconds=expires_in, channel=side
    )
    return SignedUrl(url=url, expires_in=seconds)


@router.get("/file-metadata")
async def get_file_metadata(app: ViewerApp, key: Key) -> FileMetadata:
    """What is known of a file."""
    found = await _find(app, key)
    metadata = {
        "name": found.name,
        "size": found.bytes,
        "content_type": found.content_type,
        "created_at": found.created_at.isoformat() if found.created_at else None,
    }
    return FileMetadata(key=key, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A file of the organization. key: in the file store; bytes: None where it is made as it is read."""

    key: str
    name: str
    bytes: int | None
    content_type: str
    created_at: datetime | None = None


async def _find(app: App, key: str) -> _Found:
    """The file that a client calls by this key. Raises Invalid, NotFound, HTTPException: 403 for somebody else's."""
    run = OF_RUN.fullmatch(key)
    if not run and (owned := OF_ORGANIZATION.fullmatch(key)):
        return await _of_organization(app, key, kind=owned[1], organization_id=int(owned[2]))
    attempt_id = int(run[1]) if run else attempt_of(key)
    if attempt_id is None:
        raise Invalid("Invalid key format")
    found = await artifacts(app.database, app.organization_id, attempt_id) if attempt_id <= LARGEST_ID else None
    if found is None:
        raise HTTPException(403, "Access denied for this workflow run")
    if not run and found.transcript is not None:
        length = len(found.transcript.encode())
        return _Found(key=found.transcript_key, name=f"{attempt_id}.txt", bytes=length, content_type="text/plain")
    if run and found.recording is not None:
        size = None if run[2] in SIDES else await app.files.size(found.recording)
        kind = "audio/flac" if found.recording.endswith(FLAC) and run[2] not in SIDES else "audio/wav"
        name = PurePosixPath(found.recording).name
        return _Found(key=found.recording, name=name, bytes=size, content_type=kind)
    raise NotFound(f"there is no file {key}")


async def _of_organization(app: App, key: str, *, kind: str, organization_id: int) -> _Found:
    """The number in the key decides, before anything is looked up: whether a stranger's file exists stays unsaid."""
    if organization_id != app.organization_id:
        raise HTTPException(403, "Access denied")
    if kind != "campaigns":
        raise NotFound(f"there is no file {key}")
    upload = await app.uploads.received(key)
    return _Found(
        key=key,
        name=upload.name,
        bytes=upload.bytes,
        content_type=upload.content_type,
        created_at=upload.received_at,
    )


def _name_of(body: UploadRequest) -> str:
    if body.file_name is not None and body.filename is not None and body.file_name != body.filename:
        raise _misfit("filename", "value_error", "file_name and filename differ: give one of them", body.filename)
    if body.file_name is not None and body.filename is None and body.file_size is None:
        raise _misfit("file_size", "missing", "Field required", None)
    return body.file_name or body.filename or DEFAULT_NAME


def _misfit(field: str, kind: str, message: str, value: object) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", field), "msg": message, "type": kind, "input": value}])
