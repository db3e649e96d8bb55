"""Memories, hashes and exact-match tables that the lookups are built from."""
