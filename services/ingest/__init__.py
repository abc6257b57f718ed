"""Ingest: accepts associations, checks what is stored, makes it durable, answers, publishes.

Publishes ``instance.received`` and ``association.ended``; consumes nothing; listens for DICOM (C-ECHO, C-STORE,
N-EVENT-REPORT); owns no tables, but the objects below ``objects/`` and ``reports/``. Works from the configuration
snapshot alone: the database and the broker may be away.
"""
