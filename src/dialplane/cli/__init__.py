"""The terminal's door to the engine: `dialplane`, for everything without a browser."""
