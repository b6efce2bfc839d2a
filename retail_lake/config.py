"""Typed settings from the environment, and from `settings.env` in the home folder.

Belongs here: every setting, its default and its meaning. Does not: anything that opens a connection. Secrets are not
settings: AWS credentials come from the environment's own chain.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, PositiveInt, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from retail_lake import forms
from retail_lake.alerts.route import Route
from retail_lake.failure import ConfigurationFailure

PREFIX = "RETAIL_LAKE_"

EngineName = Literal["local", "spark", "glue", "emr_serverless", "emr", "awslambda"]
ENGINES: Final[tuple[EngineName, ...]] = ("local", "spark", "glue", "emr_serverless", "emr", "awslambda")
REMOTE: Final[tuple[EngineName, ...]] = ("glue", "emr_serverless", "emr", "awslambda")
"""The engines that run a job on AWS."""
_ARTIFACTS: Final = {"artifacts_uri": "where remote jobs run from"}
_NEEDS: Final[Mapping[str, Mapping[str, str]]] = {
    "glue": {**_ARTIFACTS, "glue_role": "the role of Glue jobs"},
    "emr_serverless": {
        **_ARTIFACTS,
        "emr_serverless_application": "where analytics run",
        "emr_serverless_role": "the role of those jobs",
    },
    "emr": {**_ARTIFACTS, "emr_cluster": "the cluster to run on"},
    "awslambda": _ARTIFACTS,
}
"""The settings that an engine cannot do without, and what for."""
_MAY_HOLD_SECRETS: Final = frozenset({"alert_routes", "catalog_uri", "redshift_secret"})
"""Settings whose value no message repeats: who puts a webhook's address or a password where only its name belongs has put a
secret there."""
_NEW_LINE: Final = "\n  "


class Settings(BaseSettings):
    """Where the lake is, which days it holds and what runs its jobs. Each field is `RETAIL_LAKE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    home: Path = Field(Path(".retail_lake"), description="Folder of everything the embedded default keeps.")
    profile: Literal["local", "aws"] = Field("local", description="Which defaults apply.")
    lake_uri: str = Field("", description="Where Iceberg tables are: a path or s3://bucket/prefix. Default: home/lake.")
    landing_uri: str = Field("", description="Where files arrive: a path or s3://bucket/prefix. Default: home/landing.")
    catalog_uri: forms.Catalog = Field(
        "",
        description="The Iceberg catalog: `glue` or `glue://<account>` (the Glue Data Catalog), http(s)://… (a REST catalog) or "
        "an SQLAlchemy address. Default: SQLite in home; on AWS `glue`.",
    )
    warehouse: Literal["", "duckdb", "redshift"] = Field("", description="What serves gold. Default: duckdb; on AWS redshift.")
    warehouse_path: Path = Field(Path(), description="The DuckDB warehouse file. Default: home/warehouse.duckdb.")
    engine: Literal["", EngineName] = Field("", description="What runs every job. Default: `local`; on AWS as the next four say.")
    engine_ingest: Literal["", EngineName] = Field("", description="What reads landed files. Default: engine; on AWS glue.")
    engine_transform: Literal["", EngineName] = Field("", description="What makes silver. Default: engine; on AWS glue.")
    engine_analytics: Literal["", EngineName] = Field("", description="What makes gold. Default: engine; on AWS emr_serverless.")
    engine_small: Literal["", EngineName] = Field(
        "", description="What reads landed files of at most small_bytes. Default: engine_ingest; on AWS awslambda."
    )
    small_bytes: int = Field(64_000_000, ge=0, description="Landed bytes up to which a job counts as small.")
    first_day: date = Field(date(2017, 1, 1), description="The lake's first day; it also takes what arrived earlier.")
    last_day: date = Field(date(2018, 1, 10), description="The lake's last day.")
    store_time_zone: forms.TimeZone = Field(
        "America/New_York", description="IANA zone of the stores; the business day follows it."
    )
    job_rows: int = Field(6_000_000, gt=0, description="Input rows per job: longer ranges are cut into several jobs.")
    memory_limit: forms.Size = Field("800MB", description="DuckDB's memory limit; what does not fit spills to disk.")
    threads: int = Field(0, ge=0, description="DuckDB's threads; 0 takes the machine's cores.")
    s3_endpoint: str = Field("", description="Address of an S3 server other than AWS's own, with its scheme.")
    region: str = Field(
        "",
        description="AWS region of the buckets and of everything else. Default: AWS_REGION or AWS_DEFAULT_REGION, else "
        "us-east-1; with the profile `aws` one of the three must be set.",
    )
    py_io_impl: str = Field("", description="pyiceberg's FileIO class, where its own choice does not suit.")

    lane: Literal["spark-4.1", "spark-3.5"] = Field(
        "spark-4.1", description="Runtimes: Glue 6.0, EMR 8.1, or Glue 5.1, EMR 7.13."
    )
    artifacts_uri: str = Field("", description="s3://bucket/prefix of what jobs run from and leave behind.")
    tags: dict[str, str] = Field(
        default_factory=dict, description="Tags of everything made on AWS, as JSON.", examples=['{"team": "retail"}']
    )
    kms_key: forms.KmsKey = Field("", description="ARN, id or alias of the KMS key that the buckets encrypt with.")
    glue_job: str = Field("retail-lake", description="Name of the Glue job.")
    glue_role: str = Field("", description="IAM role, by ARN or name, that Glue jobs run as.")
    emr_serverless_application: str = Field("", description="Id of the EMR Serverless application.")
    emr_serverless_role: str = Field("", description="ARN of the IAM role that EMR Serverless jobs run as.")
    emr_cluster: forms.Cluster = Field("", description="The running EMR cluster: its id (j-…), or a tag of it as key=value.")
    lambda_function: str = Field("retail-lake", description="Name of the Lambda function that runs small jobs.")
    lambda_image: str = Field("", description="Address of the function's container image in ECR.")
    lambda_role: str = Field("", description="ARN of the IAM role that the function runs as.")
    redshift_workgroup: str = Field("", description="Redshift Serverless workgroup (or give redshift_cluster).")
    redshift_cluster: str = Field("", description="Provisioned Redshift cluster (or give redshift_workgroup).")
    redshift_database: str = Field("dev", description="Database in Redshift.")
    redshift_schema: str = Field("gold", description="Schema of the served tables in Redshift.")
    redshift_secret: forms.Secret = Field(
        "", description="ARN of the secret to connect with. Default: the caller's own IAM identity."
    )
    redshift_role: str = Field("default", description="ARN of the role that COPY reads S3 with, or `default`.")
    athena_workgroup: str = Field("primary", description="Athena workgroup.")
    athena_output: str = Field("", description="s3:// prefix of Athena's results. Default: artifacts_uri/athena.")
    athena_scan_limit: int = Field(10_000_000_000, gt=0, description="Bytes that one Athena query may scan.")
    jobs_at_once: int = Field(0, ge=0, description="Jobs of one run at a time; 0: one, on AWS eight.")
    engine_limits: dict[EngineName, PositiveInt] = Field(
        default_factory=dict,
        description='Jobs of all runs together that an engine takes at a time, as JSON: {"glue": 4}. Else its pool\'s limit.',
        examples=['{"glue": 4}'],
    )
    warehouse_limit: int = Field(
        0, ge=0, description="Tables of all runs together that Redshift loads at a time; 0: its pool's limit, if any."
    )
    job_timeout: int = Field(7200, ge=60, description="Seconds after which a remote job is stopped.")
    poll_seconds: float = Field(10.0, gt=0, description="Longest pause between two looks at a remote job.")
    budget_per_run: float = Field(0, ge=0, description="US dollars that the remote jobs of one run may cost; 0: no limit.")
    budget_per_day: float = Field(0, ge=0, description="US dollars that remote jobs may cost in one UTC day; 0: no limit.")
    over_budget: Literal["refuse", "warn"] = Field("refuse", description="What happens to a launch above a budget.")

    arrival_queue: str = Field("", description="Address of the SQS queue that announces arrivals. Default: landing is listed.")
    settle_seconds: float = Field(60.0, ge=0, description="Seconds without an arrival before a day's tables are asked for.")
    arrival_overlap_days: int = Field(
        3, ge=1, description="Newest arrival days that are listed at every look; the older ones are listed in turn."
    )

    compaction_files: int = Field(8, ge=0, description="Files of one day from which on maintenance makes one of them; 0: never.")
    orphan_hours: float = Field(24.0, ge=0, description="Age from which on maintenance deletes files that no snapshot shows.")
    quarantine_days: int = Field(365, ge=0, description="Days that quarantined records are kept after they came; 0: for ever.")
    landing_days: int = Field(0, ge=0, description="Days that landed files are kept once published; 0: for ever.")
    event_days: int = Field(90, ge=0, description="Days that Dagster keeps what a run said beside its results; 0: for ever.")
    landing_replica: str = Field("", description="s3://bucket that landing is copied to, in another region or account.")
    replica_role: str = Field("", description="ARN of the role that S3 copies landing with.")
    replica_kms_key: str = Field("", description="ARN of the KMS key that the copies are encrypted with.")

    alert_routes: tuple[Route, ...] = Field(
        (),
        description='Where alerts go, as JSON: [{"to": "sns:<ARN>", "severity": "critical", "owner": "team:*"}]. `to` is log, '
        "webhook, webhook:NAME or sns:<ARN>. Default: the log, and the webhook whose address RETAIL_LAKE_ALERT_WEBHOOK has.",
        examples=['[{"to": "log"}]'],
    )
    alert_owner: str = Field("team:retail-data", description="Whose matter an alert is that belongs to no table.")
    queue_hours: float = Field(1.0, gt=0, description="Hours that a run or an arrival may wait in a queue before an alert.")
    ui_url: str = Field("http://127.0.0.1:3000", description="Address of the Dagster UI, for the links in alerts.")
    log_format: Literal["text", "json"] = Field("text", description="Log messages as text, or as one JSON object a line.")

    @model_validator(mode="after")
    def _fill(self) -> Settings:
        on_aws, home = self.profile == "aws", self.home.absolute()
        ingest = self.engine_ingest or self.engine or ("glue" if on_aws else "local")
        fill = {
            "home": home,
            "lake_uri": (self.lake_uri or ("" if on_aws else str(home / "lake"))).rstrip("/"),
            "landing_uri": (self.landing_uri or ("" if on_aws else str(home / "landing"))).rstrip("/"),
            "artifacts_uri": self.artifacts_uri.rstrip("/"),
            "region": self._region(),
            "catalog_uri": self.catalog_uri or ("glue" if on_aws else f"sqlite:///{home / 'catalog.db'}"),
            "warehouse": self.warehouse or ("redshift" if on_aws else "duckdb"),
            "warehouse_path": self.warehouse_path if self.warehouse_path.name else home / "warehouse.duckdb",
            "engine_ingest": ingest,
            "engine_transform": self.engine_transform or self.engine or ("glue" if on_aws else "local"),
            "engine_analytics": self.engine_analytics or self.engine or ("emr_serverless" if on_aws else "local"),
            "engine_small": self.engine_small or self.engine or ("awslambda" if on_aws else ingest),
            "athena_output": (self.athena_output or (f"{self.artifacts_uri.rstrip('/')}/athena" if self.artifacts_uri else "")),
            "jobs_at_once": self.jobs_at_once or (8 if on_aws else 1),
        }
        for name, value in fill.items():
            object.__setattr__(self, name, value)
        if wrong := [*self._missing(), *self._not_on_s3()]:
            raise ValueError("\n".join(wrong))
        if self.last_day < self.first_day:
            raise ValueError(f"{PREFIX}LAST_DAY {self.last_day} is before {PREFIX}FIRST_DAY {self.first_day}")
        return self

    def _region(self) -> str:
        """The region of the settings, or else of AWS's own environment. Who keeps another S3 server names its region at will."""
        on_aws = self.profile == "aws"
        if not self.region:
            around = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
            return around or ("" if on_aws else "us-east-1")
        if not on_aws and self.s3_endpoint:
            return self.region
        try:
            return forms.known_region(self.region)
        except ValueError as error:
            raise ValueError(f"{PREFIX}REGION: {error}") from None

    def _missing(self) -> list[str]:
        """What the engines, the catalog and the warehouse in use cannot do without, and is not set."""
        engines = {self.engine_ingest, self.engine_transform, self.engine_analytics, self.engine_small}
        needed: dict[str, str] = {}
        if self.profile == "aws":
            needed |= {"lake_uri": "where the lake is", "landing_uri": "where files arrive"}
            needed |= {"region": "where all of it is, which AWS_REGION does not say either"}
        for engine in engines:
            needed |= _NEEDS.get(engine, {})
        if self.warehouse == "redshift":
            needed.setdefault("artifacts_uri", "where Redshift reads what to load")
        missing = self._unset(needed)
        if self.warehouse == "redshift" and bool(self.redshift_workgroup) == bool(self.redshift_cluster):
            missing.append(f"set either {PREFIX}REDSHIFT_WORKGROUP or {PREFIX}REDSHIFT_CLUSTER: the warehouse")
        return missing

    def _unset(self, needed: Mapping[str, str]) -> list[str]:
        return [f"{PREFIX}{name.upper()} is not set: {why}" for name, why in needed.items() if not getattr(self, name)]

    def check_engine(self, name: EngineName) -> None:
        """Raise `ConfigurationFailure` if an engine asked for by name, not by these settings, cannot do with them."""
        wrong = self._unset(_NEEDS.get(name, {}))
        if name in REMOTE and not self.lake_uri.startswith("s3://"):
            wrong.append(f"{PREFIX}LAKE_URI must be s3://bucket/prefix, not {self.lake_uri}")
        if wrong:
            raise ConfigurationFailure(f"The engine {name} cannot run: {'; '.join(wrong)}")

    def _not_on_s3(self) -> list[str]:
        """Locations that AWS cannot reach."""
        named = {"artifacts_uri": self.artifacts_uri, "athena_output": self.athena_output}
        if self.profile == "aws":
            named |= {"lake_uri": self.lake_uri, "landing_uri": self.landing_uri}
        elif self.warehouse == "redshift":
            named["lake_uri"] = self.lake_uri
        return [
            f"{PREFIX}{n.upper()} must be s3://bucket/prefix, not {v}"
            for n, v in named.items()
            if v and not v.startswith("s3://")
        ]

    @property
    def zone(self) -> ZoneInfo:
        """The stores' time zone."""
        return ZoneInfo(self.store_time_zone)

    @property
    def served_from(self) -> str:
        """Where the warehouse is, for people."""
        if self.warehouse == "duckdb":
            return str(self.warehouse_path)
        return f"{self.redshift_workgroup or self.redshift_cluster}/{self.redshift_database}/{self.redshift_schema}"

    @property
    def days(self) -> list[date]:
        """Every day of the lake, in order."""
        return [self.first_day + timedelta(days=i) for i in range((self.last_day - self.first_day).days + 1)]


def load_settings(**fixed: str) -> Settings:
    """Read the settings; `fixed` ones count before the environment. Raises `ConfigurationFailure` naming each wrong variable."""
    home = Path(os.environ.get(f"{PREFIX}HOME") or ".retail_lake")
    try:
        return Settings(_env_file=home / "settings.env", **fixed)  # type: ignore[call-arg, arg-type]
    except ValidationError as error:
        wrong = [_told(e["loc"], e["msg"].removeprefix("Value error, "), e.get("input")) for e in error.errors()]
    except SettingsError as error:
        # The name of the field is in the message alone.
        found = re.search(r'field "(\w+)"', str(error))
        wrong = [_told((found[1],), "it cannot be read") if found else str(error)]
    raise ConfigurationFailure(f"These settings are wrong:{_NEW_LINE}{_NEW_LINE.join(wrong)}")


def _told(at: tuple[int | str, ...], why: str, given: object = None) -> str:
    """What is wrong with one setting, in one line: inside a value of several parts, which part it is. What is wrong with the
    settings together (`at` nothing) says so itself.
    """
    if not at:
        return why.replace("\n", _NEW_LINE)
    name, *inside = map(str, at)
    variable = f"{PREFIX}{name.upper()}" + (f", at {' '.join(inside)}" if inside else "")
    got = "" if given is None or name in _MAY_HOLD_SECRETS else f" (got {given!r})"
    form = "".join(f"; write it as JSON: {example}" for example in Settings.model_fields[name].examples or ())
    return f"{variable}: {why}{got}{form}"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()
