"""speech.py TEXT FILE.ulaw: what a callee repeats, the words and then some silence, as sipp plays it (PCMU, 8 kHz)."""

import subprocess
import sys
import tempfile
import wave
from pathlib import Path

from dialplane.voice.resampling import audioop

SILENCE_SECONDS = 1.8


def spoken(text: str) -> bytes:
    """8 kHz, 16 bits, by the voice of flite's that pocketsphinx understands best."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(["flite", "-voice", "rms", "-t", text, "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            rate, frames = file.getframerate(), file.readframes(file.getnframes())
    converted, _ = audioop.ratecv(frames, 2, 1, rate, 8000, None)
    return converted


if __name__ == "__main__":
    sound = spoken(sys.argv[1]) + bytes(2 * round(8000 * SILENCE_SECONDS))
    Path(sys.argv[2]).write_bytes(audioop.lin2ulaw(sound, 2))
