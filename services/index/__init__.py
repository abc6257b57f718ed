"""Index: the query tables of patients, studies, series and instances.

Consumes ``instance.stored`` and ``instance.deleted``; publishes nothing; owns the PostgreSQL schema ``index``; listens
on nothing. Reads storage's views ``receipt_view``, ``fact_view``, ``identity_view`` and ``request_done_view``, and
config's of requests and erasures.
"""
