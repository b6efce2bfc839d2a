"""An AWS that executes: control planes by moto's server, with what it only records made to run, on a real S3 server."""
