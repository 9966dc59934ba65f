"""uuids <-> the ids that DialNexa's clients see: a prefix and the uuid without dashes."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

ORGANIZATION: Final = "org"
CAMPAIGN: Final = "cmp"
LEAD: Final = "lead"
CALL: Final = "call"
AGENT: Final = "agt"
BATCH: Final = "batch"
WEBHOOK: Final = "hook"

LONGEST: Final = 64
_ID = re.compile(r"(?:([a-z]+)_)?([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)


def shown(prefix: str, uuid: UUID) -> str:
    """
    >>> shown(CAMPAIGN, UUID("1b4e28ba-2fa1-11d2-883f-0016d3cca427"))
    'cmp_1b4e28ba2fa111d2883f0016d3cca427'
    """
    return f"{prefix}_{uuid.hex}"


def read(text: str, *prefixes: str) -> UUID | None:
    """The uuid of an id with one of these prefixes, or of a bare uuid, as other doors show it; None for anything else.

    >>> read("cmp_1b4e28ba2fa111d2883f0016d3cca427", CAMPAIGN, BATCH)
    UUID('1b4e28ba-2fa1-11d2-883f-0016d3cca427')
    >>> read("lead_1b4e28ba2fa111d2883f0016d3cca427", CAMPAIGN), read("7", CAMPAIGN)
    (None, None)
    """
    found = _ID.fullmatch(text.strip())
    if found is None or (found[1] is not None and found[1].lower() not in prefixes):
        return None
    return UUID(found[2])
