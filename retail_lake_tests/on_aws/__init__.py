"""The project on an AWS that executes: the same tables, the same rows, and what becomes of them when AWS fails."""
