"""Files brought in by a person: found in folders, ZIPs and DICOMDIRs, and sent to the gateway's own port by C-STORE.

So everything that is checked, stamped and answered is what a modality gets (docs/decisions/0034).
"""
