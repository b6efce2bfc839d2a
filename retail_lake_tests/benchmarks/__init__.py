"""How fast the project is, as ratios measured in one run on one machine: `python -m retail_lake_tests.benchmarks`.

Belongs here: measuring, for a person to read. Does not: any test; nothing here can fail a build.
"""
