"""The host as one more port: frames punted to it, frames that it injects."""
