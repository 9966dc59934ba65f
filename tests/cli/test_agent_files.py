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


def test_a_script_may_say_that_it_is_one(cli: Cli) -> None:
    file = cli.file("agent.yaml", "kind: scripted\ngreeting: Good day.\n")

    done = cli("run", cli.contacts(ANSWERED), "--agent", file, "--fast", "--json")

    assert done.code == 0, done.err
    assert "agent: Good day." in (cli.folder / "report.csv").read_text()


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


PIPELINE = """\
kind: pipeline
name: Clinic
prompt: You remind people of an appointment.
llm: {service: openai, model: gpt-4.1, api_key: "${CLINIC_KEY}"}
stt: {service: pocketsphinx}
tts: {service: flite}
fields: {comes: Whether they come}
"""


def test_an_agent_in_sound_takes_its_key_from_the_environment_and_needs_a_carrier_that_carries_it(cli: Cli) -> None:
    agent = cli.file("sound.yaml", PIPELINE)
    contacts = cli.contacts(ANSWERED)

    without = cli("run", contacts, "--agent", agent)
    words = cli("run", contacts, "--agent", agent, CLINIC_KEY="sk-of-the-clinic")
    fast = cli("run", contacts, "--agent", agent, "--fast", CLINIC_KEY="sk-of-the-clinic")
    forecast = cli("forecast", contacts, "--agent", agent, "--json", CLINIC_KEY="sk-of-the-clinic")

    assert without.code == 2 and "llm.api_key: the environment has no CLINIC_KEY; set it" in without.err
    assert words.code == 2 and "the agent 'Clinic' talks in sound, and the carrier 'simulated'" in words.err
    assert fast.code == 2 and "there is none on the virtual clock: leave out --fast" in fast.err
    assert forecast.code == 0 and forecast.json["contacts"]["reached"] == 1
    assert "sk-of-the-clinic" not in words.err + fast.err + forecast.out


def test_voice_services_are_set_shown_without_keys_and_cleared(cli: Cli) -> None:
    services = cli.file("voice.yaml", "".join(line for line in PIPELINE.splitlines(keepends=True)[3:6]))

    told = cli("voice", "set", services, "--json", CLINIC_KEY="sk-of-the-clinic").json
    shown = cli("voice", "show")
    cleared = cli("voice", "clear", "--json").json

    assert told["services"]["llm"]["api_key"].startswith("sealed:")
    assert shown.out.startswith("llm:") and "sk-of-the-clinic" not in shown.out
    assert cleared == {"services": None} and cli("voice", "show", "--json").json == cleared
