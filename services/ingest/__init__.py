"""Ingest: accepts associations, checks what is stored, makes it durable, answers, publishes.

Publishes ``instance.received``, ``association.ended``, ``commitment.reported``, ``commitment.requested`` and
``commitment.report-sent``; consumes nothing; listens for DICOM (C-ECHO, C-STORE, N-EVENT-REPORT, in profile gateway
N-ACTION); owns no tables, but the objects below ``objects/``, ``reports/`` and ``requests/``. Works from the
configuration snapshot alone: the database and the broker may be away. Where the database answers it reads storage's
``identity_view`` (revisions that are refused) and commitment's ``inbound_view`` and ``inbound_item_view``.
"""
