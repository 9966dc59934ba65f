"""Vapi's HTTP contract, under `/vapi`: its ids, words, shapes and errors over the engine's functions."""
