"""Backup and restore: a repository that holds the tables and objects of many backups, each object once."""
