"""docs/contracts.md: its tables have every route of the doors, and their words are those that the doors say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from dialplane.api.contracts.dialnexa import door as dialnexa
from dialplane.api.contracts.dialnexa.batch_shapes import WORDS as BATCH_WORDS
from dialplane.api.contracts.dialnexa.words import CAMPAIGN_WORDS, ENDS
from dialplane.api.contracts.vapi import door as vapi
from dialplane.api.contracts.vapi.states import OPEN, OVER
from dialplane.api.contracts.vapi.words import ENDED_REASONS
from dialplane.core.campaign import CampaignState
from dialplane.core.disposition import Disposition

GUIDE = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
ROUTE = re.compile(r"^\| `(GET|POST|PUT|PATCH|DELETE) (\S+)` \|", re.MULTILINE)


def section(title: str) -> str:
    return GUIDE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def cells(title: str, row: str) -> list[str]:
    (found,) = [line for line in section(title).splitlines() if line.startswith(f"| {row} |")]
    return [cell.strip() for cell in found.strip("|").split("|")][1:]


@pytest.mark.parametrize(("title", "door"), [("Vapi", vapi), ("DialNexa", dialnexa)])
def test_the_tables_have_every_route(title: str, door: object) -> None:
    paths = door.build_door(FastAPI()).openapi()["paths"]  # type: ignore[attr-defined]
    served = {(method.upper(), path) for path, methods in paths.items() for method in methods}

    assert set(ROUTE.findall(section(title))) == served


@pytest.mark.parametrize("state", CampaignState)
def test_the_words_of_a_state_are_those_that_the_doors_say(state: CampaignState) -> None:
    _, _, in_vapi, in_campaigns, in_batches = cells("The words", state.value)

    assert in_vapi.startswith(f"`{(OPEN | OVER)[state]}`") or in_vapi.endswith(f"`{(OPEN | OVER)[state]}` at `/v2`")
    assert in_campaigns == f"`{CAMPAIGN_WORDS[state]}`"
    assert in_batches.startswith(f"`{BATCH_WORDS[state]}`")


@pytest.mark.parametrize("disposition", Disposition)
def test_the_words_of_a_disposition_are_those_that_the_doors_say(disposition: Disposition) -> None:
    table = [line.split(" | ") for line in section("The words").splitlines() if line.startswith("| `")]

    (row,) = [line for line in table if f"`{disposition.value}`" in line[0]]
    assert row[1] == f"`{ENDED_REASONS[disposition]}`"
    assert row[2] == f"`{ENDS[disposition].status}`, `{ENDS[disposition].reason}` |"
