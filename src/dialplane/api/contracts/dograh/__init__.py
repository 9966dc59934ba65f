"""Dograh's contract and Sysevo's, its relative: the same routes under two spellings."""
