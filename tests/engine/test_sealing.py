"""Which settings of a carrier are secrets, and that they come back as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dialplane.carriers.simulated.profile import READERS
from dialplane.engine.sealing import Sealer, is_secret, masked, split, unmasked
from dialplane.errors import EnvironmentFault, Invalid
from dialplane.secrets import Secrets


@pytest.mark.parametrize(
    "name",
    [
        "auth_token",
        "authToken",
        "apiKey",
        "API_KEY",
        "api_secret",
        "password",
        "app_passwd",
        "private_key",
        "account_sid",
        "auth_id",
        "bearer_token",
        "signature_secret",
        "clientCredentials",
        "pin",
        "pwd",
        "webhook_public_key",
        "tls_cert",
    ],
)
def test_what_may_be_a_secret_is_one(name: str) -> None:
    assert is_secret(name, "x")


@pytest.mark.parametrize("name", ["app_name", "domain_id", "url", "username", "ringing_seconds", "mapping", "inside"])
def test_other_settings_are_open(name: str) -> None:
    assert not is_secret(name, "x")


@pytest.mark.parametrize("value", ["https://me:pw@pbx.example", "-----BEGIN RSA PRIVATE KEY-----\nMIIE"])
def test_a_value_that_holds_a_secret_is_one_whatever_its_name(value: str) -> None:
    assert is_secret("endpoint", value)


def test_no_setting_of_the_simulated_carrier_is_hidden() -> None:
    assert [name for name in READERS if is_secret(name, 1)] == []


SETTINGS: dict[str, Any] = {
    "domain": "d",
    "token": "0123456789abcdef",
    "nested": {"user": "u", "password": "p", "empty": {}},
    "trunks": [{"host": "h", "secret": "s"}],
    "hosts": ["a", "b"],
    "api_key": None,
    "keys": ["k1", "k2"],
}


def test_settings_are_split_and_come_back_as_they_were() -> None:
    plain, secret = split(SETTINGS)
    sealer = Sealer(lambda: Secrets("one secret for all"))

    assert plain == {"domain": "d", "nested": {"user": "u", "empty": {}}, "hosts": ["a", "b"], "api_key": None}
    assert secret == {
        "token": "0123456789abcdef",
        "nested": {"password": "p"},
        "trunks": [{"host": "h", "secret": "s"}],
        "keys": ["k1", "k2"],
    }
    assert sealer.opened(*sealer.seal(SETTINGS)) == SETTINGS


def test_settings_without_a_secret_need_no_key() -> None:
    def none() -> Secrets:
        raise EnvironmentFault("there is no key")

    sealer = Sealer(none)

    assert sealer.seal({"seed": 7}) == ({"seed": 7}, "")
    assert sealer.opened({"seed": 7}, "") == {"seed": 7}


def test_another_installations_key_does_not_open_them(tmp_path: Path) -> None:
    plain, sealed = Sealer(lambda: Secrets("one secret for all")).seal(SETTINGS)

    with pytest.raises(EnvironmentFault, match="DIALPLANE_SECRET_KEY"):
        Sealer(lambda: Secrets("another secret altogether")).opened(plain, sealed)


def test_only_the_end_of_a_long_secret_is_shown() -> None:
    shown = masked(SETTINGS)

    assert shown["token"] == "••••cdef"
    assert shown["nested"] == {"user": "u", "empty": {}, "password": "••••"}
    assert (shown["trunks"], shown["keys"]) == ("••••", "••••")


def test_what_is_shown_can_be_sent_back() -> None:
    assert unmasked(masked(SETTINGS), lambda: SETTINGS) == SETTINGS
    assert unmasked({"nested": {"password": "••••"}}, lambda: SETTINGS) == {"nested": {"password": "p"}}
    assert unmasked({"token": "new"}, lambda: SETTINGS) == {"token": "new"}


@pytest.mark.parametrize("given", [{"token": "••••0000"}, {"domain": "••••"}, {"other": "••••"}, {"x": ["••••"]}])
def test_a_mask_that_stands_for_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="is a mask"):
        unmasked(given, lambda: SETTINGS)
