"""A call and a definition -> a conversation, and what is done when something in it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from typing import Final

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMRunFrame,
    LLMTextFrame,
    MetricsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import UserTurnStoppedMessage
from pipecat.processors.frame_processor import FrameDirection
from pipecat.workers.runner import WorkerRunner

from dialplane.agents.hosted import HostedCall
from dialplane.agents.pipeline.abilities import Abilities
from dialplane.agents.pipeline.definition import Pipeline
from dialplane.agents.pipeline.phone import Phone
from dialplane.agents.pipeline.pipes import KEYS, STARTS_SECONDS, STOPS_SECONDS, assembled
from dialplane.agents.pipeline.silence import Hush
from dialplane.agents.pipeline.speaking import Speaking
from dialplane.agents.pipeline.timer import Timer
from dialplane.agents.pipeline.timing import Turns
from dialplane.agents.pipeline.transport import SoundIn, SoundOut
from dialplane.agents.pipeline.usage import Usage
from dialplane.agents.script import plain

LAST_WORDS_SECONDS: Final = 20.0  # for a goodbye to be made and said
LEAVING_SECONDS: Final = 5.0  # for the pipeline to come down


class Conversation:
    """One call's. failure: why it could not go on; "" where it could."""

    def __init__(self, pipeline: Pipeline, call: HostedCall, prompt: str, greeting: str) -> None:
        self.failure = ""
        self.opted_out = False
        self.transcript: list[tuple[str, str]] = []
        self.usage = Usage()
        self.turns = Turns(pipeline.pause_seconds - STOPS_SECONDS)
        self.phone = Phone(call.wire, call.since_seconds)
        self._pipeline = pipeline
        self._call = call
        self._greeting = greeting
        self._ending = self._transferred = self._works = False
        self._they_began = 0.0
        self._speaking = Speaking(self.phone, partial(self._said, "agent"))
        self._speaking.on_first_sound = partial(self.turns.reaches, "sounded")
        self._hush = Hush(pipeline.silence, self._say, self.end)
        self._thinking, self._voicing = Timer(self._model_is_late), Timer(self._voice_is_late)
        self._asked_at = 0.0
        self._failed = {"llm": 0, "stt": 0, "tts": 0}  # times in a row
        abilities = Abilities(pipeline, call, self)
        tools = abilities.schema()
        self._context = LLMContext([], tools=tools) if tools.standard_tools else LLMContext([])
        self._made = assembled(
            pipeline,
            prompt,
            self._context,
            (SoundIn(self.phone), SoundOut(self.phone, self._speaking)),
            self._heard,
            self._thought,
            self._spoken,
        )
        self._made.worker.add_event_handler("on_pipeline_error", self._service_failed)
        self._made.worker.add_event_handler("on_frame_reached_downstream", self._measured)
        self._made.user.add_event_handler("on_user_turn_started", self._turn_started)
        self._made.user.add_event_handler("on_user_turn_stopped", self._turn_stopped)
        self._made.tts.add_event_handler("on_tts_request", self._voice_asked)

    # --- the call --------------------------------------------------------------------------------------------

    async def hold(self) -> None:
        """Until it is over, on both sides."""
        listening = asyncio.create_task(self.phone.listen())
        runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
        await runner.add_workers(self._made.worker)
        if self._greeting:
            await self._say(self._greeting)
        else:
            self._hush.falls()
        running = asyncio.create_task(runner.run())
        longest = Timer(self._too_long)
        longest.start(self._pipeline.max_seconds - self.phone.seconds)
        hung_up = asyncio.create_task(self.phone.ended.wait())
        try:
            await asyncio.wait([running, hung_up], return_when=asyncio.FIRST_COMPLETED)
            if not self._ending and not self.phone.ended.is_set():
                self.failure = "the pipeline came to an end by itself: a service could not be reached, perhaps"
            if not self.phone.ended.is_set() and not self._transferred:
                await self.phone.until_said()
                await self._call.hang_up()
        finally:
            for timer in (longest, self._thinking, self._voicing):
                timer.stop()
            self._hush.breaks()
            self._ending = True
            await self._made.worker.cancel()
            await asyncio.wait([running], timeout=LEAVING_SECONDS)
            for task in (running, hung_up, listening):
                task.cancel()
            came = await asyncio.gather(running, listening, return_exceptions=True)
        if faults := [each for each in came if isinstance(each, Exception)]:
            raise faults[0]

    async def end(self, words: str = "") -> None:
        """Once what is being said has been, and these words."""
        if self._ending:
            return
        self._ending = True
        self._hush.breaks()
        if words:
            goodbye = TTSSpeakFrame(words, append_to_context=False)
            goodbye.interruptible = False
            await self._made.worker.queue_frame(goodbye)
        await self._made.worker.queue_frame(EndFrame())
        Timer(self._made.worker.cancel).start(LAST_WORDS_SECONDS)

    async def transfer(self, number: str) -> bool:
        """Whether the other side has been handed over; then there is nobody here any more."""
        self._transferred = await self._call.transfer(number)
        if self._transferred:
            await self.end()
        return self._transferred

    async def opt_out(self) -> None:
        """The other side wants no more calls."""
        self.opted_out = True
        if self._pipeline.opt_out is not None:
            await self._cut()
            await self.end(self._pipeline.opt_out.say)

    def note(self, text: str, tool_seconds: float) -> None:
        """What a tool did, for the transcript."""
        self.turns.used_tool(tool_seconds)
        self._said("agent", text, self.phone.seconds)

    async def _say(self, words: str) -> None:
        if not self._ending:
            await self._made.worker.queue_frame(TTSSpeakFrame(words))

    async def _cut(self) -> None:
        """Whatever is being thought or said."""
        await self._made.worker.queue_frame(InterruptionFrame())

    async def _too_long(self) -> None:
        await self._cut()
        await self.end()

    def _said(self, speaker: str, text: str, at_seconds: float) -> None:
        self.transcript.append((speaker, text))
        self._call.said(speaker, text, round(at_seconds, 2))

    # --- what passes -----------------------------------------------------------------------------------------

    async def _heard(self, frame: Frame, _: FrameDirection) -> None:
        """Behind the hearing."""
        match frame:
            case VADUserStartedSpeakingFrame():
                self.turns.speaks()
                self._hush.they_speak()
            case VADUserStoppedSpeakingFrame():
                self.turns.silent(STOPS_SECONDS)
            case TranscriptionFrame():
                self._failed["stt"] = 0
                self.turns.reaches("heard")
                if (wanted := self._pipeline.opt_out) and _says(frame.text, wanted.phrases):
                    await self.opt_out()

    async def _thought(self, frame: Frame, _: FrameDirection) -> None:
        """Behind the model."""
        match frame:
            case LLMFullResponseStartFrame():
                self.turns.reaches("asked")
                self._works = False
                self._hush.breaks()
                if not self._failed["llm"]:
                    self._asked_at = time.monotonic()
                self._thinking.start(self._asked_at + self._pipeline.llm.timeout_seconds - time.monotonic())
            case LLMTextFrame():
                self._failed["llm"] = 0
                self._thinking.start(self._pipeline.llm.timeout_seconds)
            case FunctionCallsStartedFrame():
                self._failed["llm"], self._works = 0, True
                self._thinking.stop()
                self._hush.breaks()
            case LLMFullResponseEndFrame() | InterruptionFrame():
                self._thinking.stop()

    async def _spoken(self, frame: Frame, _: FrameDirection) -> None:
        """Behind the speech."""
        match frame:
            case TTSAudioRawFrame():
                self.turns.reaches("voiced")
                self._voicing.put_off(self._pipeline.tts.timeout_seconds)
            case TTSTextFrame():
                self._failed["tts"] = 0
                self._voicing.stop()
            case InterruptionFrame():
                self._voicing.stop()
            case BotStartedSpeakingFrame():
                self._hush.breaks()
            case BotStoppedSpeakingFrame() if not self._works:
                self._hush.falls()

    async def _turn_started(self, *_: object) -> None:
        self._they_began = max(0.0, self.phone.seconds - STARTS_SECONDS)

    async def _turn_stopped(self, _user: object, _strategy: object, message: UserTurnStoppedMessage) -> None:
        if message.content:
            self._said("contact", message.content.removeprefix(KEYS), self._they_began)
        else:
            self._hush.falls()  # a cough; nothing else will come of it

    async def _voice_asked(self, *_: object) -> None:
        self.turns.reaches("worded")
        self._voicing.start(self._pipeline.tts.timeout_seconds)

    async def _measured(self, _: object, frame: MetricsFrame) -> None:
        self.usage.add(frame)

    # --- what fails ------------------------------------------------------------------------------------------

    async def _service_failed(self, _: object, frame: ErrorFrame) -> None:
        """One error of a service goes by: the model is asked again, the other side is asked to say it again, and what
        could not be said stays unsaid. The second in a row ends the call.
        """
        names = {id(self._made.llm): "llm", id(self._made.stt): "stt", id(self._made.tts): "tts"}
        name = names.get(id(frame.processor))
        if name is None or self._ending:
            return
        self._failed[name] += 1
        final = self._failed[name] > 1 or (frame.processor is not None and not frame.processor.is_usable)
        if final:
            await self._fail(f"{name}: {_named(frame)}", self._pipeline.fallback if name != "tts" else "")
        elif name == "llm":
            await self._made.worker.queue_frame(LLMRunFrame())
        elif name == "tts":
            self._voicing.stop()
            self._hush.falls()  # unless there is more to say
        elif self._they_began:
            await self._say(self._pipeline.pardon)

    async def _model_is_late(self) -> None:
        await self._fail(f"llm: no answer within {self._pipeline.llm.timeout_seconds:g} s", self._pipeline.fallback)

    async def _voice_is_late(self) -> None:
        await self._fail(f"tts: no sound within {self._pipeline.tts.timeout_seconds:g} s", "")

    async def _fail(self, why: str, words: str) -> None:
        """words: "" where nobody can speak any more."""
        if self._ending:
            return
        self.failure = why
        if words:
            await self._cut()
            await self.end(words)
        else:
            self._ending = True
            await self._made.worker.cancel()


def _says(text: str, phrases: Iterable[str]) -> bool:
    said = f" {plain(text)} "
    return any(f" {plain(phrase)} " in said for phrase in phrases)


def _named(frame: ErrorFrame) -> str:
    """Its kind. What it says may quote the conversation, or a key."""
    fault = frame.exception
    status = getattr(fault, "status_code", None)
    return f"{type(fault).__name__}{f' {status}' if status else ''}" if fault is not None else "it reports an error"
