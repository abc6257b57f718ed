"""Commitment: asks commit servers for storage commitment and holds them to their time; in profile gateway commits too.

Consumes ``instance.delivered``, ``commitment.reported``, ``commitment.requested``, ``commitment.report-sent`` and
``request.carry-out`` (kinds ``retry-commitment``, ``cancel-commitment``, ``erase``), publishes ``commitment.changed``;
listens to nothing: what peers report or ask for, ingest has made durable below ``reports/`` and ``requests/`` of the
object store, and both are swept. Owns the schema ``commitment``. Reads config's ``station_view``, ``generation_view``,
``request_view`` and ``erasure_item_view``, routing's ``delivery_view`` and ``job_view``, storage's ``identity_view``
and ``watermark_view``.
"""
