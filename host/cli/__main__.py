"""`python -m opentep.host.cli`: the command without its script."""

from .main import main

main(prog_name="opentep")
