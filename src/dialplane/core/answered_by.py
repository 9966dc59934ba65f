"""What has answered a call."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class AnsweredBy(StrEnum):
    """`uncertain` is treated as a human everywhere: a person must not be taken for a machine."""

    HUMAN = "human"
    MACHINE = "machine"
    SCREENING = "screening"  # an assistant that asks who is calling, before the person decides
    FAX = "fax"
    UNCERTAIN = "uncertain"


PEOPLE: Final = frozenset({AnsweredBy.HUMAN, AnsweredBy.UNCERTAIN})
