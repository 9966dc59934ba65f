"""One folder for each contract that is spoken here: translation to the engine's functions, no campaign logic."""
