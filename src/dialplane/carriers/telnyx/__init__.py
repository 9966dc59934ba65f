"""Calls through an account with Telnyx."""
