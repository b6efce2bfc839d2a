"""What is asked: the star schema and its marts, one file per table. Nothing here reads bronze."""
