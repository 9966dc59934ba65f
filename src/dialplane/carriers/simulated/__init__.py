"""A carrier that places no call: outcomes by profile and seed, a log for its memory."""

from dialplane.carriers.simulated.carrier import SimulatedCarrier
from dialplane.carriers.simulated.kept_logs import campaigns_with_logs, delete_logs, delete_run
from dialplane.carriers.simulated.log import log_path
from dialplane.carriers.simulated.profile import Profile

__all__ = ["Profile", "SimulatedCarrier", "campaigns_with_logs", "delete_logs", "delete_run", "log_path"]
