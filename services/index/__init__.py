"""Index: the query tables of patients, studies, series and instances.

Consumes ``instance.stored``; publishes nothing; owns the PostgreSQL schema ``index``; listens on nothing.
Reads storage's views ``receipt_view`` and ``fact_view``.
"""
