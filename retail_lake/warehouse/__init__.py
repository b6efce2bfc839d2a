"""Where gold is served from: an embedded DuckDB file, or a warehouse service. `base` is what every one of them can do."""
