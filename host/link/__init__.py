"""The host's end of the host link: protocol, client and transports."""
