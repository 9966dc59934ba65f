"""Nouns and decisions. Pure: `now` and counts come in as arguments, decisions go out as values."""
