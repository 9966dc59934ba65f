"""What a call used of the services, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipecat.frames.frames import MetricsFrame
from pipecat.metrics.metrics import LLMUsageMetricsData, STTUsageMetricsData, TTSUsageMetricsData

from dialplane.agents.pipeline.definition import Prices


@dataclass(slots=True)
class Usage:
    """As the services tell it."""

    input_tokens: int = 0
    output_tokens: int = 0
    stt_seconds: float = 0.0
    tts_characters: int = 0

    def add(self, frame: MetricsFrame) -> None:
        for each in frame.data:
            match each:
                case LLMUsageMetricsData():
                    self.input_tokens += each.value.prompt_tokens
                    self.output_tokens += each.value.completion_tokens
                case STTUsageMetricsData():
                    self.stt_seconds += each.value.audio_seconds
                case TTSUsageMetricsData():
                    self.tts_characters += each.value

    def told(self, prices: Prices, call_seconds: float) -> Mapping[str, Any]:
        cost = (
            self.input_tokens / 1000 * prices.per_1k_input_tokens
            + self.output_tokens / 1000 * prices.per_1k_output_tokens
            + self.stt_seconds / 60 * prices.per_minute_stt
            + self.tts_characters / 1000 * prices.per_1k_characters_tts
            + call_seconds / 60 * prices.per_minute_call
        )
        used = {
            "llm_input_tokens": self.input_tokens,
            "llm_output_tokens": self.output_tokens,
            "stt_seconds": round(self.stt_seconds, 1),
            "tts_characters": self.tts_characters,
            "call_seconds": round(call_seconds, 1),
        }
        return {**used, "cost": round(cost, 6)} if prices != Prices() else used
