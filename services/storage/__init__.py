"""Storage: records every durable object, decides what it is, sweeps the store, writes the configuration snapshot.

Consumes ``instance.received``; publishes ``instance.stored`` and ``instance.deleted``; owns the PostgreSQL schema
``storage``; listens on nothing. Reads ``config.station_view``, ``config.generation_view``, ``routing.delivered_view``
and ``routing.delivery_view``.
"""
