"""What Dograh's editor lists beside workflows and this version has none of: lists that are empty and valid."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel

from dialplane.api.access import OperatorApp, ViewerApp
from dialplane.api.route import Route
from dialplane.api.shapes import Id
from dialplane.errors import Invalid, NotFound

SPEC_VERSION = "1.0.0"  # of the catalogue of node types

router = APIRouter(route_class=Route, tags=["editor"])

Nothing = list[dict[str, Any]]
Anything = Annotated[dict[str, Any], Body()]


class Documents(BaseModel):
    documents: Nothing = []
    total: int = 0
    limit: int
    offset: int


class Recordings(BaseModel):
    recordings: Nothing = []
    total: int = 0


class NodeTypes(BaseModel):
    spec_version: str = SPEC_VERSION
    node_types: Nothing = []


@router.get("/tools")
async def list_tools(_: ViewerApp) -> Nothing:
    """Tools of a language model: none."""
    return []


@router.post("/tools")
async def create_tool(_: OperatorApp, __: Anything) -> dict[str, Any]:
    """Refused: this version has no tools."""
    raise Invalid("this version has no tools: its agents speak a script and call no function")


@router.get("/credentials")
async def list_credentials(_: ViewerApp) -> Nothing:
    """Credentials of a workflow's requests: none."""
    return []


@router.post("/credentials")
async def create_credential(_: OperatorApp, __: Anything) -> dict[str, Any]:
    """Refused: this version has no use for them."""
    raise Invalid("this version keeps no credentials for workflows: their nodes send no requests")


@router.get("/knowledge-base/documents")
async def list_documents(
    _: ViewerApp,
    status: Annotated[str | None, Query(max_length=100)] = None,  # noqa: ARG001  (a filter of what is empty)
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> Documents:
    """Documents of a knowledge base: none."""
    return Documents(limit=limit, offset=offset)


@router.get("/workflow-recordings")
async def list_recordings(
    _: ViewerApp,
    workflow_id: Annotated[Id | None, Query()] = None,  # noqa: ARG001
) -> Recordings:
    """Recordings to be played in a call: none."""
    return Recordings()


@router.get("/node-types")
async def list_node_types(_: ViewerApp) -> NodeTypes:
    """Forms for the nodes of a graph: none. Graphs that were made elsewhere are taken as they are."""
    return NodeTypes()


@router.get("/node-types/{name}")
async def get_node_type(name: Annotated[str, Path(max_length=100)], _: ViewerApp) -> dict[str, Any]:
    """Not found: there are none."""
    raise NotFound(f"Unknown node type: {name!r}")


@router.get("/folder")
async def list_folders(_: ViewerApp) -> Nothing:
    """Folders of workflows: none."""
    return []


@router.post("/folder")
async def create_folder(_: OperatorApp, __: Anything) -> dict[str, Any]:
    """Refused: this version has no folders."""
    raise Invalid("this version has no folders: workflows are one list")
