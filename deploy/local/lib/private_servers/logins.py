"""Who connects to the private servers for each service: never their administrators."""

import hashlib
import hmac

LOGINS = {
    "ingest": "receiving",
    "query": "receiving",  # the same process
    **{service: service for service in ("storage", "index", "forwarder", "commitment", "admin", "backup")},
}


def password_of(login: str, administrators: str) -> str:
    """It follows from the administrator's password, so that nothing more has to be kept."""
    return hmac.new(administrators.encode(), login.encode(), hashlib.sha256).hexdigest()
