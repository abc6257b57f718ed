"""Log in by an OpenID Connect provider: its groups say who may do what."""
