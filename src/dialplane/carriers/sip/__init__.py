"""Calls over a SIP trunk, with audio: signalling and sound are in processes of their own."""
