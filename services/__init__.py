"""The gateway's services and what they stand on.

The import rule: imports point down. ``cli`` may name every service; services (ingest, storage, index, forwarder, admin)
never import one another, they share messages (``schemas``) and two packages, ``services.dicom`` (what two or more of
them need of DICOM) and ``services.runtime`` (how a process lives; knows no DICOM). ``runtime`` imports only
``schemas``. aio_pika is imported only by ``services.runtime.bus``, psycopg_pool only by ``services.runtime.db``.
import-linter checks this in ``tests/run``.
"""
