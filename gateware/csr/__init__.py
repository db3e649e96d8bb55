"""Control and status registers, declared once for gateware, host and documentation."""
