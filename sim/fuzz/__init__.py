"""Isolation under fire: adversarial frames through the Verilated gateware, judged by the reference model."""
