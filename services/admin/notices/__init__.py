"""Notices: who is told of what went wrong, by mail and webhook."""
