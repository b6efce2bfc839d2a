"""Whether what the settings name is there, reachable and as it should be, looked at one by one: `retail-lake doctor`.

Belongs here: looking, and what to do about what is wrong. Does not: setting it right (`deploy/`). What is looked at is left
as it was, but for one small object in a bucket, which is taken away again.
"""
