"""How a process of the gateway lives: settings, supervision, database, bus, object store, health. Knows no DICOM."""
