"""Ethernet MACs (IEEE 802.3 clauses 3 and 4): frames of the core on one side; GMII octets (clause 35) or XGMII words
(clause 46) on the other."""
