"""The DICOM conformance statement, in the order of PS3.2 annex A, made of the data that the services work with."""
