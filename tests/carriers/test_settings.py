"""Values that every carrier's settings have."""

from __future__ import annotations

import pytest

from dialplane.carriers import settings as read
from dialplane.errors import Invalid


@pytest.mark.parametrize(
    "value", ["https://[", "ftp://api.example.com", "http://api.example.com", "https://u:p@a.b", 7]
)
def test_an_address_of_an_interface_that_cannot_be_used_is_refused_with_its_fix(value: object) -> None:
    with pytest.raises(Invalid, match="api_url: must look like https://api.example.com"):
        read.url(value, "api_url", "https://api.example.com")
