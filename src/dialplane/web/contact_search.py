"""A search among the contacts of a campaign -> one page of it, and the ways on from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from dialplane.core.attempt import ContactState
from dialplane.core.disposition import Disposition
from dialplane.engine.contact_book import END, EXAMINED, ContactBook, ContactFilter, ContactRecord

PER_PAGE = 50
ROUNDS = 8  # pieces of the list that one page looks at: half a second of search


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """after, before: contacts from there on, or up to there; neither: from the beginning."""

    search: str = ""
    state: ContactState | None = None
    disposition: Disposition | None = None
    after: int | None = None
    before: int | None = None

    @property
    def narrowed(self) -> bool:
        return bool(self.search or self.state or self.disposition)

    def query(self, **place: int) -> str:
        """The same search from another place on: '?state=waiting&after=70'."""
        wanted = {"search": self.search, "state": self.state or "", "disposition": self.disposition or "", **place}
        given = {name: value for name, value in wanted.items() if value != ""}
        return f"?{urlencode(given)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """first, previous, following, last: queries of those pages; None: there is none.

    cut_short: so many contacts were looked at, and there are more; 0: all, or the page is full.
    """

    contacts: Sequence[ContactRecord]
    previous: str | None
    following: str | None
    first: str | None
    last: str | None
    cut_short: int


async def look(book: ContactBook, campaign_id: int, asked: Asked) -> Found:
    """Raises NotFound."""
    wanted = ContactFilter(state=asked.state, disposition=asked.disposition)
    if asked.search:
        wanted = await book.meant(campaign_id, asked.search, wanted)
    if wanted.to_number is not None or wanted.external_id is not None:
        contacts, following = await book.page(campaign_id, wanted, after=asked.after or 0, limit=PER_PAGE)
        goes_on = None if following is None else asked.query(after=following)
        return Found(contacts=contacts, previous=None, following=goes_on, first=None, last=None, cut_short=0)
    if asked.before is not None:
        return await _backwards(book, campaign_id, wanted, asked, asked.before)
    return await _forwards(book, campaign_id, wanted, asked, asked.after or 0)


async def _forwards(book: ContactBook, campaign_id: int, wanted: ContactFilter, asked: Asked, after: int) -> Found:
    contacts: list[ContactRecord] = []
    place: int | None = after
    rounds = 0
    while place is not None and len(contacts) < PER_PAGE and rounds < ROUNDS:
        page, place = await book.page(campaign_id, wanted, after=place, limit=PER_PAGE - len(contacts))
        contacts += page
        rounds += 1
    begins = contacts[0].id if contacts else after + 1
    return Found(
        contacts=contacts,
        previous=asked.query(before=begins) if after else None,
        following=None if place is None else asked.query(after=place),
        first=asked.query() if after else None,
        last=None if place is None else asked.query(before=END),
        cut_short=0 if place is None or len(contacts) == PER_PAGE else rounds * EXAMINED,
    )


async def _backwards(book: ContactBook, campaign_id: int, wanted: ContactFilter, asked: Asked, before: int) -> Found:
    contacts: list[ContactRecord] = []
    place: int | None = before
    rounds = 0
    while place is not None and len(contacts) < PER_PAGE and rounds < ROUNDS:
        page, place = await book.page_before(campaign_id, wanted, before=place, limit=PER_PAGE - len(contacts))
        contacts = page + contacts
        rounds += 1
    ends = contacts[-1].id if contacts else before - 1
    return Found(
        contacts=contacts,
        previous=None if place is None else asked.query(before=place),
        following=asked.query(after=ends) if before != END else None,
        first=None if place is None else asked.query(),
        last=asked.query(before=END) if before != END else None,
        cut_short=0 if place is None or len(contacts) == PER_PAGE else rounds * EXAMINED,
    )
