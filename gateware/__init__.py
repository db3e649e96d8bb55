"""Gateware of the tunnel end point: the folders follow the frame from wire to wire."""
