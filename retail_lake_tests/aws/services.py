"""Which services run here. A new one is one more line; what is not among them moto answers alone."""

from __future__ import annotations

from retail_lake_tests.aws.athena import Athena
from retail_lake_tests.aws.awslambda import Lambda
from retail_lake_tests.aws.emr import Emr
from retail_lake_tests.aws.emr_serverless import EmrServerless
from retail_lake_tests.aws.glue import Glue
from retail_lake_tests.aws.iam import Iam
from retail_lake_tests.aws.redshift import RedshiftData
from retail_lake_tests.aws.service import Service


def all_services() -> list[Service]:
    """A new instance of each."""
    return [Athena(), Glue(), EmrServerless(), Emr(), Lambda(), RedshiftData(), Iam()]
