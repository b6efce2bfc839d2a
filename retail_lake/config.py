"""Typed settings from the environment, and from `settings.env` in the home folder.

Belongs here: every setting, its default and its meaning. Does not: anything that opens a connection. Secrets are not
settings: AWS credentials come from the environment's own chain.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from retail_lake.failure import ConfigurationFailure

PREFIX = "RETAIL_LAKE_"


class Settings(BaseSettings):
    """Where the lake is, which days it holds and what runs its jobs. Each field is `RETAIL_LAKE_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    home: Path = Field(Path(".retail_lake"), description="Folder of everything the embedded default keeps.")
    profile: Literal["local"] = Field("local", description="Which defaults apply.")
    lake_uri: str = Field("", description="Where Iceberg tables are: a path or s3://bucket/prefix. Default: home/lake.")
    landing_uri: str = Field("", description="Where files arrive: a path or s3://bucket/prefix. Default: home/landing.")
    catalog_uri: str = Field("", description="SQLAlchemy address of the Iceberg catalog. Default: SQLite in home.")
    warehouse_path: Path = Field(Path(), description="The DuckDB warehouse file. Default: home/warehouse.duckdb.")
    engine: Literal["local", "spark"] = Field("local", description="What runs the jobs.")
    first_day: date = Field(date(2017, 1, 1), description="The lake's first day; it also takes what arrived earlier.")
    last_day: date = Field(date(2018, 1, 10), description="The lake's last day.")
    store_time_zone: str = Field("America/New_York", description="IANA zone of the stores; the business day follows it.")
    job_rows: int = Field(6_000_000, gt=0, description="Input rows per job: longer ranges are cut into several jobs.")
    memory_limit: str = Field("800MB", description="DuckDB's memory limit; what does not fit spills to disk.")
    threads: int = Field(0, ge=0, description="DuckDB's threads; 0 takes the machine's cores.")
    s3_endpoint: str = Field("", description="Address of an S3 server other than AWS's own, with its scheme.")
    s3_region: str = Field("us-east-1", description="Region of the S3 buckets.")
    py_io_impl: str = Field("", description="pyiceberg's FileIO class, where its own choice does not suit.")

    @field_validator("store_time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        ZoneInfo(value)
        return value

    @model_validator(mode="after")
    def _fill(self) -> Settings:
        fill = {
            "home": self.home.absolute(),
            "lake_uri": (self.lake_uri or str(self.home.absolute() / "lake")).rstrip("/"),
            "landing_uri": (self.landing_uri or str(self.home.absolute() / "landing")).rstrip("/"),
            "catalog_uri": self.catalog_uri or f"sqlite:///{self.home.absolute() / 'catalog.db'}",
            "warehouse_path": self.warehouse_path if self.warehouse_path.name else self.home.absolute() / "warehouse.duckdb",
        }
        for name, value in fill.items():
            object.__setattr__(self, name, value)
        if self.last_day < self.first_day:
            raise ValueError(f"{PREFIX}LAST_DAY {self.last_day} is before {PREFIX}FIRST_DAY {self.first_day}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The stores' time zone."""
        return ZoneInfo(self.store_time_zone)

    @property
    def days(self) -> list[date]:
        """Every day of the lake, in order."""
        return [self.first_day + timedelta(days=i) for i in range((self.last_day - self.first_day).days + 1)]


def load_settings() -> Settings:
    """Read the settings. Raises `ConfigurationFailure` naming each wrong variable."""
    home = Path(os.environ.get(f"{PREFIX}HOME") or ".retail_lake")
    try:
        return Settings(_env_file=home / "settings.env")  # type: ignore[call-arg]
    except ValidationError as error:
        wrong = [
            f"{PREFIX}{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']} (got {e.get('input')!r})" if e["loc"] else e["msg"]
            for e in error.errors()
        ]
        raise ConfigurationFailure("These settings are wrong:\n  " + "\n  ".join(wrong)) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()
