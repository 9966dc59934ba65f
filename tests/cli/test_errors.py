"""Whatever is wrong: one clear message, the right exit code, nothing half-made."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from executable import Cli, Result, with_setting

GOOD = "phone_number,name\n+15005550006,Ana\n"


@pytest.fixture(autouse=True)
def nothing_half_made(campaigns: Callable[[], list[tuple[int, str]]]) -> Iterator[None]:
    """After whatever went wrong, the campaigns are those from before; cancelled ones are a test's own."""
    before = campaigns()
    yield
    assert campaigns() == before


def refused(cli: Cli, arguments: Sequence[str | Path], code: int = 2, **env: str) -> Result:
    """Run it: it must fail with this code and print nothing on stdout."""
    result = cli(*arguments, **env)
    assert result.code == code, f"{result.code}: {result.out}{result.err}"
    assert result.out == ""
    return result


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", ["people.csv is empty"], id="an empty file"),
        pytest.param("phone_number,name\n", ["header and no contacts"], id="a header only"),
        pytest.param("name,city\nAna,Berlin\n", ["no phone column among name, city"], id="no phone column"),
        pytest.param("phone,Name,name\n+15005550006,A,B\n", ["two columns have one name"], id="a name twice"),
        pytest.param(
            "phone_number\nnonsense\n12\n", ["no row of people.csv can be called", "row 2", "report.rejects.csv"],
            id="all rows bad",
        ),
    ],
)  # fmt: skip
def test_a_file_that_makes_no_campaign(cli: Cli, text: str, words: list[str]) -> None:
    contacts = cli.file("people.csv", text)

    for arguments in (["run", contacts], ["run", contacts, "--fast"], ["run", contacts, "--json"]):
        result = refused(cli, arguments)
        assert all(word in result.err for word in words), result.err
    assert (cli.folder / "report.rejects.csv").exists() == (len(words) == 3)
    assert not (cli.folder / "report.csv").exists()


def test_no_such_file_and_a_folder(cli: Cli) -> None:
    assert "there is no file nowhere.csv" in refused(cli, ["run", "nowhere.csv"]).err
    assert "is a folder" in refused(cli, ["run", cli.folder]).err
    assert "name a contacts file" in refused(cli, ["run"]).err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--timezone", "Europe/Berlim"], "did you mean 'Europe/Berlin'"),
        (["--window", "mon-fri 09:00-09:00"], "ends as it starts"),
        (["--window", "mon-fri 99:99-17:00"], "no time of day"),
        (["--window", "someday 09:00-17:00"], "unknown day"),
        (["--max-retries", "-1"], "max_retries must be 0 or more"),
        (["--retry-delay", "soon"], "no duration"),
        (["--cps", "0"], "--cps must be above 0"),
        (["--cps", "nan"], "--cps must be above 0"),
        (["--max-concurrency", "0"], "--max-concurrency must be 1 or more"),
        (["--start-at", "2027-01-01T09:00:00"], "has no time zone"),
        (["--start-at", "tomorrow"], "no date and time"),
        (["--default-region", "XX"], "there is no region 'XX'"),
        (["--seed", "-1"], "seed"),
        (["--name", " "], "needs a name"),
        (["--resume", "1"], "--resume takes the campaign as it is"),
        (["--no-such-option"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_make_no_sense(cli: Cli, options: list[str], words: str) -> None:
    assert words in refused(cli, ["run", cli.file("people.csv", GOOD), *options]).err


def test_definitions_that_make_no_sense(cli: Cli) -> None:
    contacts = cli.file("people.csv", GOOD)
    broken = cli.file("broken.yaml", "name: x\nsteps: [\n")
    listed = cli.file("list.yaml", "- a\n- b\n")
    unknown = cli.file("unknown.yaml", "provider: simulated\ntalk_secondz: 3\n")
    other = cli.file("other.yaml", "provider: carrier-pigeon\n")
    city = cli.file("city.yaml", "greeting: Hello from {{city}}\n")
    typo = cli.file("typo.yaml", "greetings: Hello\n")

    assert "broken.yaml (--agent), line 3" in refused(cli, ["run", contacts, "--agent", broken]).err
    assert "must be a mapping" in refused(cli, ["run", contacts, "--carrier", listed]).err
    assert "did you mean 'talk_seconds'" in refused(cli, ["run", contacts, "--carrier", unknown]).err
    assert "provider 'carrier-pigeon' is unknown" in refused(cli, ["run", contacts, "--carrier", other]).err
    assert "did you mean 'greeting'" in refused(cli, ["run", contacts, "--agent", typo]).err
    assert "there is no file nowhere.yaml" in refused(cli, ["run", contacts, "--agent", "nowhere.yaml"]).err
    missing = refused(cli, ["run", contacts, "--agent", city]).err
    assert "{{city}}" in missing
    assert "phone_number, name" in missing


def test_strict_accepts_no_bad_row(cli: Cli) -> None:
    contacts = cli.file("people.csv", GOOD + "nonsense,Bo\n")

    for arguments in (["run", contacts, "--strict"], ["run", contacts, "--strict", "--fast"]):
        result = refused(cli, arguments)
        assert "row 3" in result.err
        assert "--strict" in result.err


def test_a_trunk_that_is_not_there(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    trunk = cli.file(
        "trunk.yaml", f"provider: sip\nhost: 127.0.0.1\nport: {port}\ntransport: tcp\nnumbers: ['+14155550100']"
    )

    result = refused(cli, ["run", cli.file("people.csv", GOOD), "--carrier", trunk])

    assert "the carrier 'sip' cannot place calls" in result.err
    assert "imported" not in result.err, "found out before a long file is read"


def test_a_report_that_could_not_be_written_is_found_out_first(cli: Cli) -> None:
    contacts = cli.file("people.csv", GOOD)
    (cli.folder / "folder").mkdir()

    assert "cannot be written" in refused(cli, ["run", contacts, "--report", contacts / "y.csv"], 4).err
    assert "is a folder" in refused(cli, ["run", contacts, "--report", "folder"]).err
    assert "no ordinary file" in refused(cli, ["run", contacts, "--report", "/dev/full"]).err


def test_a_database_that_is_down(cli: Cli) -> None:
    down = "postgresql://nobody@127.0.0.1:1/none"

    result = refused(cli, ["run", cli.file("people.csv", GOOD)], 4, DIALPLANE_DATABASE_URL=down)

    assert "the database cannot be reached" in result.err
    assert "DIALPLANE_DATABASE_URL" in result.err
    assert cli("doctor", DIALPLANE_DATABASE_URL=down).code == 4
    assert cli("campaign", "list", "--json", DIALPLANE_DATABASE_URL="mysql://x").code == 2


def test_a_database_that_is_read_only(cli: Cli) -> None:
    url = cli.env.get("DIALPLANE_DATABASE_URL") or embedded_url(cli)
    read_only = with_setting(url, "default_transaction_read_only=on")

    result = refused(cli, ["run", cli.file("people.csv", GOOD)], 4, DIALPLANE_DATABASE_URL=read_only)

    assert "read-only" in result.err


def embedded_url(cli: Cli) -> str:
    """How a server of one's own would be named: here it is the embedded one."""
    from dialplane.store.embedded import Attachment, attach

    attachment: Attachment = attach(Path(cli.env["DIALPLANE_HOME"]))
    found = attachment.connect_arguments
    attachment.leave()
    password = f":{found['password']}" if found.get("password") else ""
    socket = f"host={found['host']}&port={found.get('port', 5432)}"
    return f"postgresql://{found['user']}{password}@/{found['database']}?{socket}"


def test_a_data_folder_that_cannot_be_made(cli: Cli) -> None:
    if "DIALPLANE_DATABASE_URL" in cli.env:
        pytest.skip("the data folder holds no database here")
    home = cli.file("file", "") / "home"

    result = cli("campaign", "list", DIALPLANE_HOME=str(home))

    assert result.code == 4
    assert str(home) in result.err


def test_commands_on_campaigns_that_do_not_allow_them(cli: Cli) -> None:
    assert "there is no campaign 999" in refused(cli, ["campaign", "show", "999"]).err
    assert "there is no campaign 999" in refused(cli, ["campaign", "pause", "999"]).err
    assert "there is no campaign 999" in refused(cli, ["run", "--resume", "999"]).err
    draft = cli("campaign", "create", cli.file("people.csv", GOOD), "--json").json["id"]
    assert "is draft" in refused(cli, ["campaign", "pause", str(draft)]).err
    assert "at least one --disposition" in refused(cli, ["campaign", "redial", str(draft)]).err
    assert "--disposition 'bsy'" in refused(cli, ["campaign", "redial", str(draft), "--disposition", "bsy"]).err
    assert "nothing to change" in refused(cli, ["campaign", "update", str(draft)]).err
    assert "must be 1 or more" in refused(cli, ["campaign", "update", str(draft), "--max-concurrency", "0"]).err
    assert (
        "write it as name=value" in refused(cli, ["contacts", "add", str(draft), "+14155550100", "--variable", "x"]).err
    )
    assert "no time zone" in refused(cli, ["contacts", "add", str(draft), "+14155550100", "--timezone", "Nowhere"]).err
    assert "has no contact" in refused(cli, ["contacts", "remove", str(draft), "+14155550100"]).err
    assert "--state 'gone'" in refused(cli, ["contacts", "list", str(draft), "--state", "gone"]).err
    assert "'hello': this is not a phone number" in refused(cli, ["dnc", "add", "hello"]).err
    cli("campaign", "cancel", str(draft))


def test_what_nobody_expected_is_called_a_defect_without_a_traceback(cli: Cli) -> None:
    from dialplane.cli.errors import exit_code

    assert exit_code(ZeroDivisionError()) == 1
    assert exit_code(TimeoutError()) == 4
    assert exit_code(KeyboardInterrupt()) == 3


def test_bad_options_are_refused_quickly(cli: Cli) -> None:
    contacts = cli.file("people.csv", GOOD)
    for arguments in (["--version"], ["run", contacts, "--cps", "0"]):
        cli(*arguments)
        begun = time.monotonic()
        cli(*arguments)
        assert time.monotonic() - begun < 5  # takes 0.2 s where nothing else runs
