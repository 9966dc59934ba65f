"""Callees that are made here: people, answering machines, call screening, fax; by seed, each with what it is."""
