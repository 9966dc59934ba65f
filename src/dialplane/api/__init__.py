"""The HTTP API: Dialplane's own, which is Dograh's and Sysevo's contract and what lies beyond it."""
