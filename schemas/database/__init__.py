"""Schema, migrations and schema version of the PostgreSQL database."""
