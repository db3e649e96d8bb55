"""Packet memory: every frame is written once, into linked cells, and lives until its last
reference is released."""
