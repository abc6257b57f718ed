"""Storage: records every durable object, decides what it is, sweeps the store, writes the configuration snapshot.

Consumes ``instance.received``, ``instance.unusable`` and ``request.carry-out``; publishes ``instance.stored`` and
``instance.deleted``; owns the PostgreSQL schema ``storage``; listens on nothing. Reads the views of config, routing,
index and commitment.
"""
