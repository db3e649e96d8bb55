"""ARP and ND suppression: requests for addresses that the controller knows are answered here."""
