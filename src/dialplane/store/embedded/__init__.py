"""PostgreSQL for one machine, from the binaries of a wheel: nothing to install, nothing to run."""

from dialplane.store.embedded.cluster import Attachment, Description, attach, describe, limit_logs

__all__ = ["Attachment", "Description", "attach", "describe", "limit_logs"]
