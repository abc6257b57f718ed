"""Forwarder: rules to jobs, deliveries and C-STORE as SCU.

Consumes ``instance.stored``, ``association.ended``, ``commitment.changed`` and ``request.carry-out``; publishes
``instance.delivered`` and ``instance.unusable``; owns the PostgreSQL schema ``routing``; listens on nothing. Reads the
views of storage, index, config and commitment.
"""
