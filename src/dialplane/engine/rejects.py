"""campaign -> the file of its rejected rows, as a stream"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from dialplane.engine.intake import REJECTS_PAGE, Intake, RejectedRow
from dialplane.engine.reports import REJECT_COLUMNS, csv_text, defused


async def rejects_csv(intake: Intake, campaign_id: int) -> AsyncIterator[str]:
    """CSV in the order of the files; the headings come with the first page."""
    page, after = await intake.rejects_page(campaign_id, (0, 0))
    yield csv_text([REJECT_COLUMNS, *_lines(page)])
    while len(page) == REJECTS_PAGE:
        page, after = await intake.rejects_page(campaign_id, after)
        yield csv_text(_lines(page))


def _lines(page: Sequence[RejectedRow]) -> Iterable[list[object]]:
    return [[r.row, *(defused(text) for text in (r.field, r.value, r.reason, r.fix))] for r in page]
