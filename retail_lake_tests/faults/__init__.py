"""Faults, counted: the pilot's flow while it is killed, starved, misled and overtaken, and what is left of it afterwards.

`python -m retail_lake_tests.faults --rounds N --seed S` prints the table. A round takes a lake of its own (`world.py`) through
the days that arrive (`arriving.py`): runs are processes (`run.py`), and faults (`fault.py`, `kinds/`) happen to them at moments
that a seed chooses (`rounds.py`), while a reader looks on (`reader.py`). Then everything is started again until nothing changes
(`settle.py`), and what is there is held against a lake that nothing happened to (`state.py`, `judge.py`). In `driven.py` nobody
starts a run: Dagster's daemon does, by its sensors, and is killed. On AWS (`cloud.py`) it is remote jobs, those who wait for
them and the warehouse's server that are killed, and the reaper looks after what is left of them (`reaping.py`).
"""
