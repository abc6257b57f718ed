"""What administrators do: stations, rule sets, requests, dead letters; where an instance is and how the gateway is;
for people at the command line, in a browser (``web``) and programs (``web.api``) that may (``access``).

Consumes nothing; asks stations every night what they have of what they were sent (C-FIND), where they say so;
publishes ``request.carry-out`` through the outbox; owns the PostgreSQL schemas config and audit;
listens on GATEWAY_HTTP_HOST:GATEWAY_HTTP_PORT (pages, /api/v1 and /events; beside health and metrics,
unless those have another GATEWAY_HEALTH_PORT).
"""
