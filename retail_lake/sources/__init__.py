"""How each kind of source is read into records.

Belongs here: finding what landed (`landing.py`), one reader module per kind of file, and what every reader shares. Does
not: SQL, rules or the lake. One code path for every engine: PyArrow and the standard library only, quick to import,
every public function picklable.
"""
