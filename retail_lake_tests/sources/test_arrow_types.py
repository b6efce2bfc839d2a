"""Contract types as Arrow types."""

from __future__ import annotations

import pyarrow as pa
import pytest

from retail_lake.arrow_types import arrow_schema, arrow_type
from retail_lake.failure import ConfigurationFailure
from retail_lake_tests.sources.contracts import columns_of


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("bigint", pa.int64()),
        ("int", pa.int32()),
        ("timestamp", pa.timestamp("us")),
        ("decimal(18, 2)", pa.decimal128(18, 2)),
        ("array<array<string>>", pa.list_(pa.list_(pa.string()))),
        (
            "array<struct<id:bigint, price:decimal(9,2),tags:array<struct<a:date,b:double>>>>",
            pa.list_(
                pa.struct(
                    [
                        ("id", pa.int64()),
                        ("price", pa.decimal128(9, 2)),
                        ("tags", pa.list_(pa.struct([("a", pa.date32()), ("b", pa.float64())]))),
                    ]
                )
            ),
        ),
    ],
)
def test_every_contract_type_has_an_arrow_type(text: str, type_: pa.DataType) -> None:
    assert arrow_type(text) == type_


@pytest.mark.parametrize("text", ["", "text", "decimal(39,2)", "decimal(2,3)", "array<>", "struct<>", "struct<a>", "array<int"])
def test_another_type_is_refused_by_the_columns_name(text: str) -> None:
    with pytest.raises(ConfigurationFailure, match=r"column price: column type .* is unknown: write one of bigint"):
        arrow_schema(columns_of(price=text))
