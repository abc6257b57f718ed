"""What administrators do: stations, rule sets, requests, dead letters; where an instance is and how the gateway is.

Consumes nothing; asks stations every night what they have of what they were sent (C-FIND), where they say so;
publishes ``request.carry-out`` through the outbox; owns the PostgreSQL schemas config and audit;
listens on GATEWAY_HTTP_HOST:GATEWAY_HTTP_PORT (health and metrics; API and web UI come with a later step).
"""
