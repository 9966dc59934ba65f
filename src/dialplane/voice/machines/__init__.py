"""The sound of whoever answers -> a person, a machine, call screening, a fax: listened to while the agent talks."""
