"""Ethernet MAC (IEEE 802.3 clauses 3, 4 and 35): frames of the core on one side, GMII octets on the other."""
