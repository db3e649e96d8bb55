"""The golden model, the virtual board and the lab: opentep without hardware."""
