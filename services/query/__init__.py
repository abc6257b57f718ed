"""Query: answers C-FIND from the query tables of the index.

Consumes and publishes nothing; listens for DICOM (C-FIND) on the AE's one port, with ingest in one process; owns no
tables. Reads index's views ``query_patient_view``, ``query_study_view``, ``query_series_view`` and
``query_instance_view``. Needs the database: without it a query is answered A700, the process stays ready.
"""
