"""Dialplane: a self-hosted engine for outbound voice campaigns."""

__version__ = "0.1.0"
