"""A definition -> pipecat's pipeline of one call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from pipecat.audio.vad.vad_analyzer import VAD_START_SECS, VAD_STOP_SECS
from pipecat.frames.frames import Frame, MetricsFrame
from pipecat.pipeline.pipeline import Pipeline as Pipes
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregator,
    LLMUserAggregatorParams,
)
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy, VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from dialplane.agents.pipeline.definition import LLM, STT, TTS, Pipeline
from dialplane.agents.pipeline.detector import Detector
from dialplane.agents.pipeline.services import build
from dialplane.agents.pipeline.transport import SoundIn, SoundOut
from dialplane.voice.wav import RATE

# The detector's own pause, for which pipecat knows how late each service's words come. The definition's is longer.
STARTS_SECONDS: Final = VAD_START_SECS
STOPS_SECONDS: Final = VAD_STOP_SECS
MADE_RATE: Final = 24_000  # of speech that a service makes as it likes; a telephone's 8 kHz are made of it last
SETUP_SECONDS: Final = 8.0  # for services to be connected; somebody has answered already
CANCEL_SECONDS: Final = 3.0  # for processors that hang; they are left behind
KEYS: Final = "Keys pressed: "


class Tap(FrameProcessor):
    """Tells what passes."""

    def __init__(self, passes: Callable[[Frame, FrameDirection], Awaitable[None]]) -> None:
        super().__init__(enable_direct_mode=True)
        self._passes = passes

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self._passes(frame, direction)
        await self.push_frame(frame, direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    worker: PipelineWorker
    user: LLMUserAggregator
    llm: Any
    stt: Any
    tts: Any


def services_of(pipeline: Pipeline, prompt: str) -> tuple[Any, Any, Any]:
    """(llm, stt, tts). Raises Invalid."""
    llm = build(LLM, pipeline.llm, system_instruction=prompt)
    if "base_url" in pipeline.llm.options:
        llm.supports_developer_role = False  # of OpenAI's own servers alone
    # Behind the hearing nobody needs the sound: each frame would cost every processor there.
    return llm, build(STT, pipeline.stt, audio_passthrough=False), build(TTS, pipeline.tts)


def assembled(
    pipeline: Pipeline,
    prompt: str,
    context: LLMContext,
    ends: tuple[SoundIn, SoundOut],
    heard: Callable[[Frame, FrameDirection], Awaitable[None]],
    thought: Callable[[Frame, FrameDirection], Awaitable[None]],
    spoken: Callable[[Frame, FrameDirection], Awaitable[None]],
) -> Assembled:
    """heard, thought, spoken: are told what passes behind the hearing, the model and the speech."""
    llm, stt, tts = services_of(pipeline, prompt)
    starts = (VADUserTurnStartStrategy, TranscriptionUserTurnStartStrategy)
    stop = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=pipeline.pause_seconds - STOPS_SECONDS)
    strategies = UserTurnStrategies(
        start=[each(enable_interruptions=pipeline.interruptible) for each in starts], stop=[stop]
    )
    pair = LLMContextAggregatorPair(
        context, user_params=LLMUserAggregatorParams(user_turn_strategies=strategies), realtime_service_mode=False
    )
    pipes = Pipes(
        [
            ends[0],
            VADProcessor(vad_analyzer=Detector(), enable_direct_mode=True),
            stt,
            Tap(heard),
            DTMFAggregator(prefix=KEYS),
            pair.user(),
            llm,
            Tap(thought),
            tts,
            Tap(spoken),
            ends[1],
            pair.assistant(),
        ]
    )
    worker = PipelineWorker(
        pipes,
        params=PipelineParams(
            audio_in_sample_rate=RATE,
            audio_out_sample_rate=MADE_RATE,
            enable_metrics=True,
            enable_usage_metrics=True,
            send_initial_empty_metrics=False,
        ),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
        setup_timeout_secs=SETUP_SECONDS,
        cancel_timeout_secs=CANCEL_SECONDS,
        check_dangling_tasks=False,
    )
    worker.set_reached_downstream_filter((MetricsFrame,))
    return Assembled(worker=worker, user=pair.user(), llm=llm, stt=stt, tts=tts)
