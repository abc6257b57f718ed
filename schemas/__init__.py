"""Contracts between the services: messages, queue topology, database, rules. Imports nothing of the project."""
