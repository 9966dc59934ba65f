"""seed -> callees, each with its sound and what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from benchmarks.callees import sounds
from benchmarks.callees.sounds import Said, Sound, Speech
from benchmarks.callees.words import (
    BABBLE,
    CARRIER_MAILBOXES,
    COMPANIES,
    GREETINGS,
    HELLOS,
    MENUS,
    REPEATED,
    SCREENING,
    SENTENCES,
    Part,
)
from dialplane.core.answered_by import AnsweredBy

SECONDS = 20.0  # of every callee, from the answer on


class Half(StrEnum):
    TUNING = "tuning"
    HELD_OUT = "held out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callee:
    """beep_seconds: when the beep after which a message may be left is over, if there is one."""

    kind: str
    name: str
    is_a: AnsweredBy
    pcm: bytes
    beep_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    is_a: AnsweredBy
    texts: tuple[tuple[Part, ...], ...]
    times: int  # that each text is said, every time by another voice on another line
    delay: tuple[float, float]  # seconds until the first word
    beep: float = 0.0  # how likely


HUMAN, MACHINE = AnsweredBy.HUMAN, AnsweredBy.MACHINE
KINDS = (
    _Kind("hello", HUMAN, HELLOS, 4, (0.1, 1.2)),
    _Kind("late hello", HUMAN, HELLOS, 1, (2.0, 4.5)),
    _Kind("hello again", HUMAN, REPEATED, 2, (0.2, 1.5)),
    _Kind("sentence", HUMAN, SENTENCES, 1, (0.2, 1.2)),
    _Kind("company", HUMAN, COMPANIES, 2, (0.2, 1.0)),
    _Kind("greeting", MACHINE, GREETINGS, 2, (0.1, 1.5), beep=0.8),
    _Kind("carrier mailbox", MACHINE, CARRIER_MAILBOXES, 2, (0.1, 1.5), beep=0.7),
    _Kind("menu", MACHINE, MENUS, 1, (0.1, 1.0)),
    _Kind("screening", AnsweredBy.SCREENING, SCREENING, 2, (0.1, 1.2)),
)
FAXES = 6
SILENT = 6
BEEPS_HERTZ = (425.0, 600.0, 850.0, 950.0, 1000.0, 1350.0, 1400.0, 1750.0)
NOISES = ("none", "none", "hum", "white", "pink", "babble")


def callees(half: Half, seed: int, folder: Path, *, at_most: int | None = None) -> Iterator[Callee]:
    """folder: where speech is kept that has been made. at_most: of each kind, for who is in a hurry."""
    chance = np.random.default_rng([seed, list(Half).index(half)])
    speech = Speech(folder)
    plans = [
        plan
        for kind in KINDS
        for plan in [_plan(kind, text, chance) for text in _of(half, kind.texts) for _ in range(kind.times)][:at_most]
    ]
    babblers = [Said(words, voice, 1.0, 1.0) for words, voice in zip(BABBLE, ("rms", "slt", "awb"), strict=True)]
    speech.make({said for _, _, parts in plans for said in parts if isinstance(said, Said)} | set(babblers))
    crowd = [speech.of(said) for said in babblers]
    for kind, text, parts in plans:
        name = " … ".join(part for part in text if isinstance(part, str))
        said = [speech.of(part) if isinstance(part, Said) else sounds.silence(part) for part in parts]
        yield _callee(kind, name, said, crowd, chance)
    for _ in range(FAXES)[:at_most]:
        yield _fax(crowd, chance)
    for _ in range(SILENT)[:at_most]:
        yield Callee(
            kind="silence",
            name="nobody says a word",
            is_a=AnsweredBy.UNCERTAIN,
            pcm=_on_a_line(sounds.silence(SECONDS), -24.0, crowd, chance),
        )


def _of(half: Half, texts: tuple[tuple[Part, ...], ...]) -> tuple[tuple[Part, ...], ...]:
    return texts[::2] if half is Half.TUNING else texts[1::2]


_Plan = tuple[_Kind, tuple[Part, ...], list[Said | float]]


def _plan(kind: _Kind, text: tuple[Part, ...], chance: np.random.Generator) -> _Plan:
    voice = str(chance.choice(sounds.VOICES))
    stretch, pitch = round(chance.uniform(0.85, 1.2), 2), round(chance.uniform(0.9, 1.15), 2)
    parts = [part if isinstance(part, float) else Said(part, voice, stretch, pitch) for part in text]
    return kind, text, [round(chance.uniform(*kind.delay), 2), *parts]


def _callee(kind: _Kind, name: str, parts: list[Sound], crowd: list[Sound], chance: np.random.Generator) -> Callee:
    level = chance.uniform(-34, -16)
    delay, *said = parts
    spoken = sounds.at_level(np.concatenate(said), level)
    if kind.is_a is HUMAN and chance.random() < 0.15:
        spoken *= np.linspace(1.0, chance.uniform(0.3, 0.6), len(spoken))  # who turns away while speaking
    beep_seconds = None
    if chance.random() < kind.beep:
        pause = sounds.silence(chance.uniform(0.2, 2.0))
        beep = sounds.tone(float(chance.choice(BEEPS_HERTZ)), chance.uniform(0.15, 1.0), chance.uniform(0.05, 0.4))
        spoken = np.concatenate((spoken, pause, beep))
        beep_seconds = (len(delay) + len(spoken)) / sounds.RATE
    elif "screening" not in kind.name and kind.is_a is HUMAN and chance.random() < 0.3:
        # They wait, and then they answer what the agent has said meanwhile.
        spoken = np.concatenate((spoken, sounds.silence(chance.uniform(4, 8)), 0.7 * spoken[: 3 * sounds.RATE]))
    return Callee(
        kind=kind.name,
        name=name,
        is_a=kind.is_a,
        pcm=_on_a_line(np.concatenate((delay, spoken)), level, crowd, chance),
        beep_seconds=beep_seconds,
    )


def _fax(crowd: list[Sound], chance: np.random.Generator) -> Callee:
    """One that answers (2100 Hz for some 3 s) or one that calls (1100 Hz, half a second every 3). ITU-T T.30."""
    if chance.random() < 0.5:
        tones = sounds.tone(2100 + chance.uniform(-15, 15), chance.uniform(2.6, 4.0), 0.2)
    else:
        once = np.concatenate((sounds.tone(1100 + chance.uniform(-38, 38), 0.5, 0.2), sounds.silence(3.0)))
        tones = np.tile(once, 4)
    sound = np.concatenate((sounds.silence(chance.uniform(0.2, 2.0)), tones))
    return Callee(kind="fax", name="fax", is_a=AnsweredBy.FAX, pcm=_on_a_line(sound, -20.0, crowd, chance))


def _on_a_line(sound: Sound, level: float, crowd: list[Sound], chance: np.random.Generator) -> bytes:
    """With what is heard behind it, to the whole length, and through μ-law. level: of the speech."""
    length = round(SECONDS * sounds.RATE)
    sound = np.concatenate((sound, np.zeros(max(0, length - len(sound)))))[:length]
    kind = str(chance.choice(NOISES))
    noise = {
        "none": lambda: np.zeros(length),
        "hum": lambda: sounds.hum(length, float(chance.choice((50.0, 60.0))), chance),
        "white": lambda: sounds.white(length, chance),
        "pink": lambda: sounds.pink(length, chance),
        "babble": lambda: sounds.babble(length, crowd, chance),
    }[kind]()
    return sounds.pcm(sound + sounds.at_level(noise, level - chance.uniform(14, 30)))
