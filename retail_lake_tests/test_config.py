"""What becomes of settings that are wrong: one line each, which names the variable and says how it is written."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from retail_lake.config import Settings, load_settings
from retail_lake.failure import ConfigurationFailure
from retail_lake.forms import size

ON_AWS = {
    "PROFILE": "aws",
    "LAKE_URI": "s3://bucket/lake",
    "LANDING_URI": "s3://bucket/landing",
    "ARTIFACTS_URI": "s3://bucket/artifacts",
    "ENGINE": "awslambda",
    "WAREHOUSE": "duckdb",
}
ACCOUNT = "123456789012"
SECRET = f"arn:aws-cn:secretsmanager:cn-north-1:{ACCOUNT}:secret:redshift-AbCdEf"
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings, in an environment that names no region."""
    monkeypatch.setenv("RETAIL_LAKE_HOME", str(tmp_path))
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    return tmp_path


def given(monkeypatch: pytest.MonkeyPatch, **told: str) -> Settings:
    """The settings with these variables in the environment."""
    for name, value in told.items():
        monkeypatch.setenv(f"RETAIL_LAKE_{name}", value)
    return load_settings()


def lines(monkeypatch: pytest.MonkeyPatch, **told: str) -> list[str]:
    """What is said of wrong settings, a line each."""
    with pytest.raises(ConfigurationFailure) as raised:
        given(monkeypatch, **told)
    first, *found = str(raised.value).splitlines()
    assert first == "These settings are wrong:"
    return found


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("STORE_TIME_ZONE", "America/NewYork", "did you mean America/New_York?"),
        ("STORE_TIME_ZONE", "../etc/passwd", "write it as America/New_York"),
        ("STORE_TIME_ZONE", "Europe", "write it as America/New_York"),
        ("STORE_TIME_ZONE", "", "write it as America/New_York"),
        ("TAGS", "team=retail", 'write it as JSON: {"team": "retail"}'),
        ("TAGS", "[1]", 'write it as JSON: {"team": "retail"}'),
        ("TAGS", '{"a": 1}', "at a: Input should be a valid string (got 1)"),
        ("ENGINE_LIMITS", "glue", 'write it as JSON: {"glue": 4}'),
        ("ENGINE_LIMITS", '{"glu": 4}', "at glu [key]: Input should be 'local', 'spark', 'glue'"),
        ("ALERT_ROUTES", "pager", "write it as JSON: "),
        ("REGION", "eu-centrl-1", "did you mean eu-central-1?"),
        ("EMR_CLUSTER", "nonsense", "write a tag as key=value"),
        ("EMR_CLUSTER", "J-2A1B2C3D4E5FG", "cluster's id (j-…)"),
        ("EMR_CLUSTER", "=data", "write a tag as key=value"),
        ("KMS_KEY", "zzz", "alias/<name>"),
        ("KMS_KEY", f"arn:aws:iam::{ACCOUNT}:role/lake", "the key's id or ARN"),
        ("REDSHIFT_SECRET", "notarn", "arn:aws:secretsmanager:"),
        ("CATALOG_URI", "glu", "'glu' is no catalog; give `glue`"),
        ("MEMORY_LIMIT", "lots", "write it as 800MB or 4GB"),
        ("MEMORY_LIMIT", "80%", "write it as 800MB or 4GB"),
        ("MEMORY_LIMIT", "1Gi", "write it as 800MB or 4GB"),
        ("MEMORY_LIMIT", "0GB", "less than DuckDB can work with"),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_variable_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, hint: str
) -> None:
    (line,) = lines(monkeypatch, **{name: value})
    assert line.strip().startswith((f"RETAIL_LAKE_{name}: ", f"RETAIL_LAKE_{name}, at ")) and hint in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORE_TIME_ZONE", "Europe/Berlin"),
        ("REGION", "cn-north-1"),
        ("REGION", "us-gov-west-1"),
        ("EMR_CLUSTER", "j-2A1B2C3D4E5FG"),
        ("EMR_CLUSTER", "team=data=lake"),
        ("KMS_KEY", KEY),
        ("KMS_KEY", f"mrk-{KEY.replace('-', '')}"),
        ("KMS_KEY", "alias/lake"),
        ("KMS_KEY", f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/{KEY}"),
        ("KMS_KEY", f"arn:aws-us-gov:kms:us-gov-west-1:{ACCOUNT}:alias/lake"),
        ("REDSHIFT_SECRET", SECRET),
        ("CATALOG_URI", f"glue://{ACCOUNT}"),
        ("CATALOG_URI", "https://catalog.example.com/"),
        ("CATALOG_URI", "postgresql+psycopg://me:word@host/lake"),
        ("MEMORY_LIMIT", "1.5 GiB"),
        ("MEMORY_LIMIT", "4g"),
    ],
)
def test_what_the_services_take_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert getattr(given(monkeypatch, **{name: value}), name.lower()) == value


@given_by(
    number=st.decimals(min_value=0, max_value=900, places=1).map(str) | st.integers(0, 900).map(str),
    between=st.sampled_from(["", " "]),
    unit=st.text("kKmMgGtTiIbBs", max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_a_size_that_is_taken_means_that_to_duckdb(number: str, between: str, unit: str) -> None:
    text = f"{number}{between}{unit}"
    try:
        meant = size(text)
    except ValueError:
        return
    with duckdb.connect(config={"memory_limit": text}) as connection:
        (row,) = connection.execute("SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'").fetchall()
    shown, of = row[0].split()
    assert float(shown) == pytest.approx(meant / 1024 ** ["bytes", "KiB", "MiB", "GiB", "TiB"].index(of), abs=0.11)


@pytest.mark.parametrize(
    ("name", "value"),
    [("REDSHIFT_SECRET", "hunter22"), ("CATALOG_URI", "postgresql:me:hunter22@host"), ("ALERT_ROUTES", "https://hunter22")],
)
def test_what_may_be_a_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    (line,) = lines(monkeypatch, **{name: value})
    assert f"RETAIL_LAKE_{name}" in line and "hunter22" not in line


def test_each_wrong_setting_has_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said = lines(monkeypatch, KMS_KEY="zzz", MEMORY_LIMIT="lots", LAST_DAY="soon")
    assert sorted(line.split(":")[0].strip() for line in said) == [
        "RETAIL_LAKE_KMS_KEY", "RETAIL_LAKE_LAST_DAY", "RETAIL_LAKE_MEMORY_LIMIT",
    ]  # fmt: skip


def test_the_region_is_the_setting_or_aws_s_own_and_never_a_guess_on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = lines(monkeypatch, **ON_AWS)
    assert "RETAIL_LAKE_REGION is not set" in line and "AWS_REGION" in line
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert load_settings().region == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert load_settings().region == "eu-north-1"
    assert given(monkeypatch, REGION="ap-south-1").region == "ap-south-1"


def test_another_s3_server_has_regions_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert given(monkeypatch, S3_ENDPOINT="https://s3.example.com", REGION="auto").region == "auto"
    assert given(monkeypatch, REGION="").region == "us-east-1"
