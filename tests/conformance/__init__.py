"""The conformance suite: its gateways run while its tests do (fixtures of scope package) and no longer."""
