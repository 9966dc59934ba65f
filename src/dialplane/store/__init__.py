"""Postgres: the only state there is."""
