"""Figures -> the table of a page, between its two marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Figure

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def write_table(page: Path, machine: Mapping[str, object], figures: Sequence[Figure]) -> None:
    """Replace what stands between the marks. Raises ValueError for a page without them."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{page} has no {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{_table(machine, figures)}\n{END}{after}", encoding="utf-8")


def _table(machine: Mapping[str, object], figures: Sequence[Figure]) -> str:
    told = ", ".join(str(machine[key]) for key in ("processor", "memory", "system"))
    lines = [
        f"Measured on {machine['cores']} cores ({told}), Python {machine['python']}.",
        "",
        "| Name | Value | Unit | Baseline | Ratio | Target | Met |",
        "|---|---:|---|---:|---:|---|---|",
    ]
    for figure in figures:
        met = {None: "", True: "yes", False: "no"}[figure.met]
        cells = (figure.name, figure.value, figure.unit, figure.baseline, figure.ratio, figure.target, met)
        lines.append("| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |")
    return "\n".join(lines)
