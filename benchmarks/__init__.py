"""What the engine costs, each figure beside a baseline that was measured in the same run: `make bench`."""
