"""Definitions as people write them."""

from __future__ import annotations

import pytest

from dialplane.engine.definitions import read_definition, write_definition
from dialplane.errors import Invalid

SCRIPT = """\
greeting: Hello {{first_name}}.
steps:
- say: Do you come, señora?
  gather: comes
  expect: [yes, no]
  keys:
    1: yes
- say: 'yes'
  transfer: '+14155550100'
"""


def test_what_is_read_is_written_as_it_was() -> None:
    definition = read_definition(SCRIPT, "the definition")
    assert definition["steps"][0]["expect"] == [True, False]
    assert write_definition(definition, truths=("yes", "no")) == SCRIPT
    assert "expect: [true, false]" in write_definition(definition)
    assert write_definition({}) == ""


@pytest.mark.parametrize("text", ['{"greeting":\t"Hello"}', "{greeting: Hello}", "greeting: Hello"])
def test_json_and_yaml_are_read(text: str) -> None:
    assert read_definition(text, "it") == {"greeting": "Hello"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("greeting: [", "the agent, line 1, column 12: this is no YAML"),
        ('{"greeting": ', "the agent, line 1, column 14: this is no YAML"),
        ("- a\n- b", "the agent must be a mapping, lines such as `name: …`, and not list"),
        ("", "the agent must be a mapping"),
        ("[" * 5000, "the agent is nested too deeply"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(Invalid) as fault:
        read_definition(text, "the agent")
    assert str(fault.value).startswith(told)


def test_a_text_of_several_lines_is_written_as_such_and_read_as_it_was() -> None:
    prompt = "You call {{first_name}}.\nBe brief.\n"

    text = write_definition({"prompt": prompt, "greeting": "Hello"})

    assert text == "prompt: |\n  You call {{first_name}}.\n  Be brief.\ngreeting: Hello\n"
    assert read_definition(text, "it")["prompt"] == prompt
