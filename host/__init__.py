"""Host software: from ``fabric.yaml`` to the tables of every TEP, over the host link."""
