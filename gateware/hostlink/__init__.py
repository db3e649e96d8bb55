"""The host link: UART, COBS framing and the request engine."""
