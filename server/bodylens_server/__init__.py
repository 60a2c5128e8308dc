"""The server, the static build and the command line."""
