"""`--agent` with sounds beside it."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
import yaml
from executable import ANSWERED, Cli


def sound(path: Path, *, width: int = 2) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(bytes(width * 800))


def agent(cli: Cli, name: str) -> Path:
    step = {"say": {"text": "Ding.", "sound": name}}
    return cli.file("agent.yaml", yaml.safe_dump({"greeting": "Hi.", "steps": [step]}))


@pytest.mark.parametrize("fast", [[], ["--fast"]])
def test_the_simulated_carrier_says_the_text_of_a_sound(cli: Cli, fast: list[str]) -> None:
    sound(cli.folder / "ding.wav")

    done = cli("run", cli.contacts(ANSWERED), "--agent", agent(cli, "ding.wav"), *fast, "--json")

    assert done.code == 0, done.err
    assert "agent: Ding." in (cli.folder / "report.csv").read_text()


def test_a_sound_that_cannot_be_played_is_named_with_its_step_before_anything_is_made(cli: Cli) -> None:
    before = cli.campaigns()
    (cli.folder / "text.wav").write_text("Ding.")
    sound(cli.folder / "wide.wav", width=3)

    for name, complaint in {
        "nowhere.wav": "step 1, say: there is no file",
        "text.wav": "step 1, say: text.wav is no WAV file of PCM sound",
        "wide.wav": "has 24 bits and 1 channels: save it with 16 bits",
    }.items():
        agent(cli, name)
        done = cli("run", cli.contacts(ANSWERED), "--agent", "agent.yaml")
        assert done.code == 2 and complaint in done.err, done.err
    assert cli.campaigns() == before
