"""The lab: racks, VMs, unmodified Open vSwitch, an IPv6 router and an SRv6 site, all on this machine.

Everything is made of network namespaces, veth pairs and processes that the lab made itself, named after it,
and recorded in its folder, so that `down` finds them again whatever happened in between.
"""
