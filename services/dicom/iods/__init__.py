"""The IOD check (R93): whether an object keeps to PS3.3 and, made by a Xeleris, to that product's own tables."""

from services.dicom.iods.check import check
from services.dicom.iods.findings import STANDARD, XELERIS, Finding, explained, pixel_data_fault, stored

__all__ = ["STANDARD", "XELERIS", "Finding", "check", "explained", "pixel_data_fault", "stored"]
