"""DICOM data of our own: private elements of the GE Xeleris objects."""
