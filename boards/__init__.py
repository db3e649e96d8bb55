"""FPGA builds: synthesis, place and route, and what differs between boards."""
