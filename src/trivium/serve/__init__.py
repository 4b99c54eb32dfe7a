"""Models and libraries over HTTP, under the protocols that people already use."""
