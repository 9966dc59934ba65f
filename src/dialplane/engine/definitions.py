"""Definitions and settings as people write them, in YAML or JSON <-> mappings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dialplane.errors import Invalid


def read_definition(text: str, where: str) -> Mapping[str, Any]:
    """where: what the text is, for whoever has to mend it. Raises Invalid, with line and column."""
    import yaml  # noqa: PLC0415  (most runs need none)

    try:
        found = _read_json(text) or yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise Invalid(_yaml_fault(where, fault)) from None
    except RecursionError:
        raise Invalid(f"{where} is nested too deeply") from None
    if not isinstance(found, Mapping):
        raise Invalid(f"{where} must be a mapping, lines such as `name: …`, and not {type(found).__name__}")
    return found


def write_definition(definition: Mapping[str, Any], *, truths: tuple[str, str] = ("true", "false")) -> str:
    """As YAML, in the order that it has: short lists on one line, texts of several lines as such.

    truths: how YAML's truth values are spelled.
    """
    import yaml  # noqa: PLC0415  (as above)

    class Dumper(yaml.SafeDumper):
        """Nothing of it is shared: representers belong to a class."""

    def listed(dumper: Any, value: list[Any]) -> Any:
        plain = all(not isinstance(each, Mapping | list) for each in value)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=plain)

    def told(dumper: Any, value: bool) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:bool", truths[0] if value else truths[1])

    def said(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(list, listed)
    Dumper.add_representer(str, said)
    Dumper.add_representer(bool, told)
    if not definition:
        return ""
    return yaml.dump(dict(definition), Dumper=Dumper, allow_unicode=True, sort_keys=False, width=100)


def _read_json(text: str) -> Any:
    """JSON is nearly YAML: tabs between its parts are not."""
    try:
        return json.loads(text) if text.lstrip().startswith("{") else None
    except ValueError:
        return None


def _yaml_fault(where: str, fault: Exception) -> str:
    mark = getattr(fault, "problem_mark", None)
    place = where if mark is None else f"{where}, line {mark.line + 1}, column {mark.column + 1}"
    problem = getattr(fault, "problem", None) or getattr(fault, "reason", None) or str(fault).splitlines()[0]
    return f"{place}: this is no YAML: {problem}"
