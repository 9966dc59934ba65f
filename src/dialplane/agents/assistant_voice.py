"""Vapi's assistant, and voice services -> the pipeline that leads its conversations, and what of it has no effect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dialplane.agents.assistant import (
    ASSISTANT,
    CLOCK,
    CUSTOMER,
    FIRST,
    LAST,
    MODE,
    SPEAKS_FIRST,
    TEMPLATE,
    Script,
    columns_of,
    rendered,
)
from dialplane.agents.voiced import Voiced, paragraphs, with_service_options

WAITS: Final = "assistant-waits-for-user"
PLAIN: Final = frozenset({"name", "metadata", FIRST, LAST, MODE, "transcriber"})  # of them something is said apart
LONGEST_SECONDS, SHORTEST_SECONDS = 14_400, 10
LONGEST_SILENCE_SECONDS: Final = 600
RUBRICS: Mapping[str, tuple[str, ...]] = {
    "PassFail": ("true", "false"),
    "DescriptiveScale": ("Excellent", "Good", "Fair", "Poor"),
    "LikertScale": ("Strongly Agree", "Agree", "Neutral", "Disagree", "Strongly Disagree"),
}
UNKNOWN: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)  # Liquid beyond variables


def voiced(script: Script, services: Mapping[str, Any]) -> Voiced | None:
    """None for one without a prompt: its messages are all there is."""
    kept = script.kept[ASSISTANT]
    reading = _Reading(kept, dict(services))
    prompt = reading.prompt()
    if not prompt:
        return None
    pipeline = {
        "kind": "pipeline",
        "name": kept.get("name") or "Assistant",
        "prompt": prompt,
        **reading.greeting(),
        **reading.model_and_voice(),
        **reading.limits(),
        **reading.tools(),
        **reading.analysis(),
    }
    texts = [text for text in (prompt, pipeline.get("greeting", "")) if text]
    return Voiced(
        pipeline=pipeline,
        variables=frozenset(name for text in texts for name in columns_of(text)),
        ignored=(*reading.warnings(), *script.not_kept),
        fill=rendered,
    )


@dataclass(slots=True)
class _Reading:
    """honoured: names of the assistant's fields of which something is done; the others are told of."""

    given: Mapping[str, Any]
    services: dict[str, Any]
    honoured: set[str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)

    def prompt(self) -> str:
        model = self._object("model")
        messages = [each for each in model.get("messages") or () if isinstance(each, Mapping)]
        told = [str(each["content"]) for each in messages if each.get("role") == "system" and each.get("content")]
        if isinstance(model.get("systemPrompt"), str):
            told.append(model["systemPrompt"])
        if len(messages) > sum(each.get("role") == "system" for each in messages):
            self.ignored.append("model.messages: those with another role than system are left out")
        if not told:
            return ""
        phrases = [str(each) for each in self._list("endCallPhrases")]
        last = self.given.get(LAST)
        return paragraphs([
            *(self._known(text.strip(), "model.messages") for text in told),
            f'Right before you end the call, say: "{last.strip()}"' if isinstance(last, str) and last.strip() else "",
            f"End the call after you have said one of: {'; '.join(phrases)}." if phrases else "",
        ])  # fmt: skip

    def greeting(self) -> dict[str, Any]:
        first, mode = self.given.get(FIRST), self.given.get(MODE) or SPEAKS_FIRST
        if mode == WAITS:
            self.ignored.append(f"{MODE}: the assistant speaks first, as whoever is called expects it")
        return {"greeting": first.strip()} if mode == SPEAKS_FIRST and isinstance(first, str) and first.strip() else {}

    def model_and_voice(self) -> dict[str, Any]:
        """The organization's services, with the assistant's model and voice where they are of the same provider."""
        model = {
            ours: self._object("model")[theirs]
            for theirs, ours in (("model", "model"), ("temperature", "temperature"))
            if self._object("model").get(theirs) is not None
        }
        self._choose("llm", "model", model)
        voice = self._object("voice")
        self._choose("tts", "voice", {"voice": voice["voiceId"]} if isinstance(voice.get("voiceId"), str) else {})
        if self.given.get("transcriber"):
            self.ignored.append("transcriber: people are understood by the organization's voice services")
        return self.services

    def _choose(self, kind: str, name: str, options: Mapping[str, Any]) -> None:
        given = self._object(name)
        provider = str(given.get("provider") or "")
        if not options or not provider:
            return
        self.services, chosen = with_service_options(self.services, kind, provider, options)
        if not chosen:
            ours = str(self.services[kind]["service"])
            self.ignored.append(
                f"{name}: the organization's voice services have {ours} and not {provider}, which stays"
            )
        known = {"provider", "model", "temperature", "messages", "systemPrompt", "tools", "voiceId"}
        if more := sorted(set(given) - known):
            self.ignored.append(f"{name}: {', '.join(more)} has no effect")

    def limits(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if (longest := self._number("maxDurationSeconds")) is not None:
            found["max_seconds"] = min(max(longest, SHORTEST_SECONDS), LONGEST_SECONDS)
        silence: dict[str, Any] = {}
        if (quiet := self._number("silenceTimeoutSeconds")) is not None:
            silence["hang_up_after_seconds"] = min(max(quiet, 1), LONGEST_SILENCE_SECONDS)
        plan = self._object("messagePlan")
        if prompts := [str(each) for each in plan.get("idleMessages") or () if str(each).strip()]:
            silence["prompts"] = prompts
            if isinstance(plan.get("idleTimeoutSeconds"), int | float):
                silence["prompt_after_seconds"] = max(plan["idleTimeoutSeconds"], 1)
        return {**found, **({"silence": silence} if silence else {})}

    def tools(self) -> dict[str, Any]:
        """Of Vapi's own tools those that a pipeline has; its function tools speak a protocol of theirs."""
        found: dict[str, Any] = {}
        for ordinal, tool in enumerate(self._object("model").get("tools") or (), start=1):
            kind = tool.get("type") if isinstance(tool, Mapping) else None
            if kind == "transferCall":
                numbers = {
                    str(each.get("description") or f"number {place}"): each["number"]
                    for place, each in enumerate(tool.get("destinations") or (), start=1)
                    if isinstance(each, Mapping) and isinstance(each.get("number"), str)
                }
                if numbers:
                    found["transfer"] = {"to": numbers}
                    continue
            if kind != "endCall":  # which every pipeline can
                self.ignored.append(f"model.tools {ordinal}: a tool of type {kind} is not called here")
        return found

    def analysis(self) -> dict[str, Any]:
        plan = self._object("analysisPlan")
        data, score = _part(plan, "structuredDataPlan"), _part(plan, "successEvaluationPlan")
        found: dict[str, Any] = {"summary": _part(plan, "summaryPlan").get("enabled") is not False}
        schema = data.get("schema") or plan.get("structuredDataSchema")
        if data.get("enabled") is not False and isinstance(schema, Mapping) and schema.get("properties"):
            found["fields"] = schema
        rubric = str(score.get("rubric") or "") if score.get("enabled") is not False else ""
        if rubric in RUBRICS:
            found["disposition"] = list(RUBRICS[rubric])
        elif rubric:
            self.ignored.append(
                f"analysisPlan.successEvaluationPlan: {rubric} is not known; there are {', '.join(RUBRICS)}"
            )
        if any(_part(plan, name).get("messages") for name in plan):
            self.ignored.append("analysisPlan: prompts of your own for the analysis have no effect")
        return found

    def warnings(self) -> Iterator[str]:
        yield from self.ignored
        for name, value in self.given.items():
            if name not in PLAIN | self.honoured and value not in (None, "", [], {}):
                yield f"{name} is kept and has no effect"

    # --- parts -----------------------------------------------------------------------------------------------

    def _known(self, text: str, place: str) -> str:
        """The text without templates that cannot be filled in here."""

        def left(match: re.Match[str]) -> str:
            whole = match[0]
            name = found[1] if (found := TEMPLATE.fullmatch(whole)) is not None else ""
            if name and ("." not in name.removeprefix(CUSTOMER) or name in CLOCK):
                return whole
            self.ignored.append(f"{place}: {whole} is left out: it cannot be filled in here")
            return ""

        return UNKNOWN.sub(left, text)

    def _object(self, name: str) -> Mapping[str, Any]:
        self.honoured.add(name)
        value = self.given.get(name)
        return value if isinstance(value, Mapping) else {}

    def _list(self, name: str) -> list[Any]:
        self.honoured.add(name)
        value = self.given.get(name)
        return value if isinstance(value, list) else []

    def _number(self, name: str) -> float | None:
        self.honoured.add(name)
        value = self.given.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _part(plan: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = plan.get(name)
    return value if isinstance(value, Mapping) else {}
