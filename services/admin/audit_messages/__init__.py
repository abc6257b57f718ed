"""DICOM audit messages (PS3.15 A.5) of audit entries, to a syslog server over TLS (PS3.15 A.6, RFC 5424, RFC 5425)."""
