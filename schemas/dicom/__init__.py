"""DICOM data of our own: private elements of the GE Xeleris objects, and what PS3.3 and they ask of each IOD."""
