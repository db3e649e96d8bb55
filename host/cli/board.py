"""`opentep board`."""

from opentep.sim.live import board_command

__all__ = ["command"]

command = board_command
command.epilog = (
    "Example: opentep board --port server=tap:rack1-server --port uplink=dev:eth1 --link /tmp/rack1;"
    " then: opentep apply --tep rack1 --link /tmp/rack1"
)
