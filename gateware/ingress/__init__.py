"""From the MAC to packet memory: ingress queues and the parsers of each port role."""
