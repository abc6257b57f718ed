"""DICOM itself: the Upper Layer (PS3.8) for both roles, DIMSE command sets (PS3.7), and what is read from data sets."""
