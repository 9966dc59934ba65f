"""The pages in docs/ are true where a program can tell: links lead somewhere, lists are whole, names exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "dialplane"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
PICTURE = re.compile(r'\b(?:src|srcset)="([^"]+)"')
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in set(anchors(target)), f"{path}#{anchor}"


def test_pictures_are_there_and_none_is_left_over() -> None:
    shown = {
        (page.parent / path).resolve()
        for page in PAGES
        for path in PICTURE.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    }

    assert shown == set((ROOT / "docs" / "pictures").glob("*.png"))
    assert sum(path.stat().st_size for path in shown) < 4_000_000


def anchors(page: Path) -> Iterator[str]:
    for heading in HEADING.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\((\d{4}-[^)]*\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))

    assert listed == {page.name for page in folder.glob("[0-9]*.md")}


def test_every_variable_is_in_the_table() -> None:
    read = {name for source in SOURCES.rglob("*.py") for name in variables(source.read_text(encoding="utf-8"))}

    assert set(re.findall(r"^\| `(DIALPLANE_\w+)` \|", OPERATIONS, re.MULTILINE)) == read


def variables(text: str) -> list[str]:
    return re.findall(r"\bDIALPLANE_[A-Z_]*[A-Z]\b", text)


def test_every_metric_is_in_the_table() -> None:
    texts = [(SOURCES / name).read_text(encoding="utf-8") for name in ("metrics.py", "api/metrics.py")]
    made = {name for text in texts for name in re.findall(r'"(dialplane_\w+)"', text)}
    shown = re.findall(r"^\| `(dialplane_\w+)", OPERATIONS, re.MULTILINE)

    assert {name.removesuffix("_total") for name in shown} == made


def test_the_tree_has_what_there_is() -> None:
    tree = ARCHITECTURE.partition("```\nsrc/dialplane/\n")[2].partition("```")[0]
    shown = {name.rstrip("/") for name in re.findall(r"^  (\S+)", tree, re.MULTILINE)}
    there = {entry.name for entry in SOURCES.iterdir()} - {"__init__.py", "__pycache__", "py.typed"}

    assert shown == there


def test_modules_that_are_named_exist() -> None:
    table = ARCHITECTURE.partition("| | Modules of `engine/` |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", table)

    assert len(named) > 40
    assert [name for name in named if not (SOURCES / "engine" / f"{name}.py").exists()] == []
