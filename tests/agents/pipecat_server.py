"""`python pipecat_server.py`: a voice server as pipecat's documentation shows one for Twilio; it knows nothing of us.

Out: JSON lines: port, call, heard, interrupted. It greets at length, listens with pocketsphinx, and ends the call once
it has heard "stop". What would ask Twilio's API to hang up asks the stand-in below, which knows no such call.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
import wave
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import pocketsphinx
import soxr
import uvicorn
from fastapi import FastAPI, Response, WebSocket
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    ClientConnectedFrame,
    EndWorkerFrame,
    Frame,
    InputDTMFFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE = 8000
GREETING = "Hello, this is the clinic. " + "Please listen to all of our long news of today. " * 6
GRAMMAR = "#JSGF V1.0; grammar answers; public <answer> = yes please | please stop calling me;"
app = FastAPI()
door = socket.create_server(("127.0.0.1", 0))
door_url = f"http://127.0.0.1:{door.getsockname()[1]}"


def tell(**event: Any) -> None:
    os.write(1, json.dumps(event).encode() + b"\n")


class Flite(TTSService):
    def __init__(self) -> None:
        settings = TTSSettings(model=None, voice="rms", language=None)
        super().__init__(sample_rate=RATE, push_start_frame=True, push_stop_frames=True, settings=settings)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            flite = await asyncio.create_subprocess_exec("flite", "-voice", "rms", "-t", text, "-o", file.name)
            await flite.wait()
            with wave.open(file.name) as made:
                spoken = np.frombuffer(made.readframes(made.getnframes()), dtype=np.int16)
                sound = soxr.resample(spoken, made.getframerate(), RATE).tobytes()
        for start in range(0, len(sound), 3200):
            yield TTSAudioRawFrame(sound[start : start + 3200], RATE, 1, context_id=context_id)


class Pocketsphinx(SegmentedSTTService):
    wants_wav_segments = False

    def __init__(self) -> None:
        super().__init__(settings=STTSettings(model=None, language=None), ttfs_p99_latency=1.0)
        self._decoder = pocketsphinx.Decoder(samprate=2 * RATE, lm=None, loglevel="FATAL")
        self._decoder.add_jsgf_string("answers", GRAMMAR)
        self._decoder.activate_search("answers")

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        self._decoder.start_utt()
        wide = soxr.resample(np.frombuffer(audio, dtype=np.int16), RATE, 2 * RATE)
        self._decoder.process_raw(wide.tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        if found is not None:
            yield TranscriptionFrame(found.hypstr, "caller", "")


class Clinic(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, ClientConnectedFrame):
            await self.push_frame(TTSSpeakFrame(GREETING))
        elif isinstance(frame, VADUserStartedSpeakingFrame) and direction is FrameDirection.DOWNSTREAM:
            await self.broadcast_interruption()
            tell(told="interrupted")
        elif isinstance(frame, InputDTMFFrame):
            tell(told="pressed", key=frame.button.value)
        elif isinstance(frame, TranscriptionFrame):
            tell(told="heard", text=frame.text)
            if "stop" in frame.text:
                await self.push_frame(TTSSpeakFrame("Goodbye."))
                await self.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)


@app.post("/2010-04-01/Accounts/{account}/Calls/{call}.json")
async def unknown_call(account: str, call: str) -> Response:
    tell(told="asked to hang up", account=account, call=call)
    return Response(json.dumps({"code": 20404}), status_code=404, media_type="application/json")


@app.websocket("/ws")
async def media(websocket: WebSocket) -> None:
    await websocket.accept()
    provider, call = await parse_telephony_websocket(websocket)
    tell(told="call", provider=provider, stream=call["stream_id"], call=call["call_id"], body=call["body"])
    serializer = TwilioFrameSerializer(
        stream_sid=call["stream_id"],
        call_sid=call["call_id"],
        account_sid="AC" + "0" * 32,
        auth_token="0a1b2c",
        base_url=door_url,
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, serializer=serializer
        ),
    )
    hears = VADProcessor(vad_analyzer=SileroVADAnalyzer(sample_rate=RATE, params=VADParams(stop_secs=0.4)))
    pipeline = Pipeline([transport.input(), hears, Pocketsphinx(), Clinic(), Flite(), transport.output()])
    worker = PipelineWorker(
        pipeline, params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE), enable_rtvi=False
    )

    @transport.event_handler("on_client_disconnected")
    async def gone(transport: Any, client: Any) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    tell(told="over")


if __name__ == "__main__":
    tell(told="ready", port=door.getsockname()[1])
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[door])
