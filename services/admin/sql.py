"""The service's named queries."""

from services.runtime.db import load_queries

SQL = load_queries("services.admin")
