"""A retail data lake and warehouse as a Dagster asset project. `README.md` tells what is in which room."""
