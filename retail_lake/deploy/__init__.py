"""Bringing the job program to AWS: one versioned artifact, the Glue job and the Lambda function that run it.

Belongs here: building and uploading the artifact, making services match the settings, the permissions and buckets they
need. Does not: running a job (`engines/`).
"""
