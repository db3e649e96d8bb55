"""From a header to a verdict: tenant, MAC and TEP lookups and the forwarding rules."""
