"""Sound on a call: speech made and understood, both sides recorded. 8 kHz, 16 bits, 20 ms at a time."""
