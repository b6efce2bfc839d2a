"""What happened, typed and deduplicated: one file per table. SQL here gives one row per bronze row; the job does the rest."""
