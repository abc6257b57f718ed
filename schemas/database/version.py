"""The database schema's version that this code was written for."""

SCHEMA_VERSION = 40
"""Number of the newest migration."""

SCHEMA_COMPATIBLE_FROM = 37
"""The oldest schema version this code still works on (rolling upgrades run old and new code side by side)."""
