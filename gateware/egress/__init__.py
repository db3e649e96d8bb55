"""From packet memory to the MAC: queues, replicas and the one place where frames are edited."""
