"""Benchmarks of the Verilated gateware after RFC 2544 and RFC 2889, in simulated time."""
