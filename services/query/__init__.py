"""Query: answers C-FIND from the query tables of the index, and serves C-MOVE and C-GET from the object store.

Consumes and publishes nothing; listens for DICOM (C-FIND, C-MOVE, in profile gateway C-GET) on the AE's one port, with
ingest in one process; owns the schema ``query``: what was retrieved by whom. Reads index's views
``query_patient_view``, ``query_study_view``, ``query_series_view``, ``query_instance_view``, ``instance_view`` and
``study_view``, storage's ``identity_view``, config's ``station_view``. Needs the database: without it a query is
answered A700 and a retrieval A701, the process stays ready.
"""
