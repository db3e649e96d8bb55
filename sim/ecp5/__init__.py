"""Behavioural models of ECP5 cells, in Verilog, for the simulation of what only instances can say.

Written from Lattice's descriptions (FPGA-TN-02032 sysI/O, 02035 high-speed I/O, 02200 PLL, 02204 memory). They tell
what the cells do, not how fast they are: but for ``DELAYG`` and the phases of ``EHXPLLL``, delays are zero. A parameter
that a model does not know is an error of the simulator. They need a simulator with delays (Verilator with
``--timing``).
"""

from pathlib import Path

__all__ = ["MODELS"]

MODELS = tuple(sorted(Path(__file__).parent.glob("*.v")))
"""Source files, to be given to the simulator beside the design."""
