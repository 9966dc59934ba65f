"""`dialplane keys`: made, listed, revoked."""

from __future__ import annotations

from executable import Cli


def test_a_key_is_shown_once_and_listed_without_its_text(cli: Cli) -> None:
    new = cli(
        "keys", "create", "--org", "acme", "--name", "CRM", "--role", "operator", "--expires", "90d", "--json"
    ).json

    assert (new["organization"], new["name"], new["role"]) == ("acme", "CRM", "operator")
    assert new["key"].startswith("dp_") and len(new["key"]) > 40
    listed = cli("keys", "list", "--org", "acme", "--json")
    assert [(key["name"], key["role"], key["revoked_at"]) for key in listed.json] == [("CRM", "operator", None)]
    assert new["key"] not in listed.out
    assert "CRM" in cli("keys", "list", "--org", "acme").out


def test_without_json_the_key_alone_is_on_standard_output(cli: Cli) -> None:
    result = cli("keys", "create", "--org", "plain")

    assert result.out.startswith("dp_") and result.out.count("\n") == 1
    assert "shown only this once" in result.err


def test_a_revoked_key_stays_in_the_list(cli: Cli) -> None:
    key_id = cli("keys", "create", "--org", "leaving", "--json").json["id"]

    assert cli("keys", "revoke", str(key_id), "--org", "leaving", "--json").json == {"revoked": key_id}

    assert [key["revoked_at"] is None for key in cli("keys", "list", "--org", "leaving", "--json").json] == [False]


def test_another_organizations_key_cannot_be_revoked(cli: Cli) -> None:
    key_id = cli("keys", "create", "--org", "theirs", "--json").json["id"]
    cli("keys", "create", "--org", "ours")

    result = cli("keys", "revoke", str(key_id), "--org", "ours")

    assert (result.code, result.err) == (2, "dialplane: API key not found\n")


def test_looking_makes_no_organization(cli: Cli) -> None:
    result = cli("keys", "list", "--org", "nobody")

    assert result.code == 2
    assert "there is no organization 'nobody'" in result.err
    assert cli("keys", "list", "--org", "nobody").code == 2


def test_wrong_options_say_what_is_right(cli: Cli) -> None:
    for arguments, complaint in (
        (("--role", "boss"), "--role must be viewer, operator, owner, not 'boss'"),
        (("--expires", "soon"), "'soon' is no duration"),
        (("--expires", "0s"), "has passed"),
        (("--name", " "), "--org and --name must not be empty"),
    ):
        result = cli("keys", "create", *arguments)
        assert (result.code, complaint in result.err) == (2, True), result.err
