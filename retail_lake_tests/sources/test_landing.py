"""What is input to which day, whatever order files arrived in."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from retail_lake.contract import Landing
from retail_lake.failure import ConfigurationFailure
from retail_lake.sources.landing import landed
from retail_lake_tests.sources.contracts import settings_of

TILLS = Landing(
    system="tills",
    dataset="till_lines",
    pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/till-lines_(?P<part>g\d_\d{8})_v(?P<version>\d+)\.csv",
    reader="csv_files",
    expected=("g1_{day}", "g2_{day}"),
)
DMS = Landing(
    system="erp",
    dataset="products",
    pattern=r"(?:(?P<arrival>\d{4}/\d{2}/\d{2})/)?(?P<part>LOAD\w{8}|\d{8}-\d{9})\.csv",
    reader="dms_csv",
)
DAY_0, DAY_1, DAY_2, DAY_3 = date(2016, 12, 31), date(2017, 1, 1), date(2017, 1, 2), date(2017, 1, 3)


def put(home: Path, key: str, text: str = "x") -> None:
    path = home / "landing" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def names(files: list) -> list[str]:
    return [file.key.rpartition("/")[2] for file in files]


def test_a_landing_that_is_not_there_misses_every_expected_part(tmp_path: Path) -> None:
    found = landed(TILLS, [DAY_2], settings_of(tmp_path))
    assert found.files == {DAY_2: []} and found.superseded == {DAY_2: 0}
    assert [(p.key, p.arrival_day, p.rule) for p in found.problems[DAY_2]] == [
        ("tills/till_lines/g1_20170102", DAY_2, "file_has_arrived"),
        ("tills/till_lines/g2_20170102", DAY_2, "file_has_arrived"),
    ]
    assert "g1_20170102" in found.problems[DAY_2][0].problem and "Ask tills to deliver it" in found.problems[DAY_2][0].problem


def test_a_file_is_described_as_it_lies_there(tmp_path: Path) -> None:
    put(tmp_path, "tills/till_lines/2017-01-02/till-lines_g1_20170102_v1.csv", "12345")
    moment = datetime(2017, 1, 3, 4, 5, 6, 789000)
    path = tmp_path / "landing/tills/till_lines/2017-01-02/till-lines_g1_20170102_v1.csv"
    nanoseconds = int(moment.replace(tzinfo=UTC).timestamp() * 1000) * 1_000_000
    os.utime(path, ns=(nanoseconds, nanoseconds))
    (file,) = landed(TILLS, [DAY_2], settings_of(tmp_path)).files[DAY_2]
    assert file.model_dump() == {
        "key": "tills/till_lines/2017-01-02/till-lines_g1_20170102_v1.csv",
        "uri": str(path),
        "arrival_day": DAY_2,
        "part": "g1_20170102",
        "size": 5,
        "modified": moment,
    }


def test_a_correction_on_a_later_day_is_input_there_and_completes_the_earlier_day(tmp_path: Path) -> None:
    put(tmp_path, "tills/till_lines/2017-01-02/till-lines_g1_20170102_v1.csv")
    put(tmp_path, "tills/till_lines/2017-01-02/till-lines_g2_20170102_v1.csv")
    put(tmp_path, "tills/till_lines/2017-01-03/till-lines_g1_20170102_v2.csv")
    found = landed(TILLS, [DAY_2, DAY_3], settings_of(tmp_path))
    assert names(found.files[DAY_2]) == ["till-lines_g2_20170102_v1.csv"]
    assert names(found.files[DAY_3]) == ["till-lines_g1_20170102_v2.csv"]
    assert found.superseded == {DAY_2: 1, DAY_3: 0}
    assert found.problems[DAY_2] == []


def test_versions_are_numbers_and_an_equal_version_that_arrived_later_wins(tmp_path: Path) -> None:
    for day, version in (("2017-01-02", 9), ("2017-01-02", 10), ("2017-01-01", 10)):
        put(tmp_path, f"tills/till_lines/{day}/till-lines_g1_20170102_v{version}.csv")
    found = landed(TILLS, [DAY_1, DAY_2], settings_of(tmp_path))
    assert names(found.files[DAY_1]) == [] and names(found.files[DAY_2]) == ["till-lines_g1_20170102_v10.csv"]
    assert found.superseded == {DAY_1: 1, DAY_2: 1}


def test_the_first_day_takes_what_arrived_before_it_and_what_has_no_arrival_day(tmp_path: Path) -> None:
    put(tmp_path, "erp/products/LOAD00000001.csv")
    put(tmp_path, "erp/products/LOAD0000000A.csv")
    put(tmp_path, "erp/products/2016/12/30/20161230-060000000.csv")
    put(tmp_path, "erp/products/2017/01/02/20170102-060000000.csv")
    found = landed(DMS, [DAY_1, DAY_2], settings_of(tmp_path))
    assert names(found.files[DAY_1]) == ["20161230-060000000.csv", "LOAD00000001.csv", "LOAD0000000A.csv"]
    assert {file.arrival_day for file in found.files[DAY_1]} == {DAY_1}
    assert names(found.files[DAY_2]) == ["20170102-060000000.csv"]


def test_a_key_without_a_match_is_a_problem_of_its_folders_day_or_of_the_first(tmp_path: Path) -> None:
    put(tmp_path, "tills/till_lines/2017-01-02/till-lines_g1_20170102.csv")
    put(tmp_path, "tills/till_lines/2017-02-30/till-lines_g1_20170230_v1.csv")
    put(tmp_path, "tills/till_lines/notes.txt")
    found = landed(TILLS, [DAY_1, DAY_2], settings_of(tmp_path))
    unnamed = {day: [p for p in problems if p.rule == "file_name_matches"] for day, problems in found.problems.items()}
    assert [p.key for p in unnamed[DAY_1]] == [
        "tills/till_lines/2017-02-30/till-lines_g1_20170230_v1.csv",
        "tills/till_lines/notes.txt",
    ]
    (problem,) = unnamed[DAY_2]
    assert problem.problem.startswith("tills/till_lines/2017-01-02/till-lines_g1_20170102.csv: ")
    assert TILLS.pattern in problem.problem and "Rename the file" in problem.problem
    assert all(problem.arrival_day == day for day, problems in found.problems.items() for problem in problems)


def test_work_in_progress_and_folders_are_left_out_but_empty_files_are_not(tmp_path: Path) -> None:
    put(tmp_path, "tills/till_lines/2017-01-02/till-lines_g1_20170102_v1.csv", "")
    put(tmp_path, "tills/till_lines/2017-01-02/.till-lines_g2_20170102_v1.csv")
    put(tmp_path, "tills/till_lines/_upload/2017-01-02/till-lines_g2_20170102_v1.csv")
    put(tmp_path, "tills/till_lines/_SUCCESS")
    found = landed(TILLS, [DAY_1, DAY_2], settings_of(tmp_path))
    assert names(found.files[DAY_2]) == ["till-lines_g1_20170102_v1.csv"] and found.files[DAY_2][0].size == 0
    assert [p.rule for p in found.problems[DAY_2]] == ["file_has_arrived"]


@pytest.mark.parametrize(("pattern", "says"), [("(?P<part>", "is not a regular expression"), (".*", "no group named `part`")])
def test_a_wrong_pattern_is_a_wrong_configuration(tmp_path: Path, pattern: str, says: str) -> None:
    with pytest.raises(ConfigurationFailure, match=says):
        landed(Landing(system="tills", dataset="x", pattern=pattern, reader="csv_files"), [DAY_1], settings_of(tmp_path))


versions = st.lists(
    st.tuples(st.sampled_from([DAY_0, DAY_1, DAY_2, DAY_3]), st.sampled_from(["g1_20170102", "g2_20170102"]), st.integers(1, 12)),
    unique=True,
    max_size=8,
)


@given(arrivals=versions, data=st.data())
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_the_newest_version_is_input_in_whatever_order_files_came(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list, data: st.DataObject
) -> None:
    home = tmp_path_factory.mktemp("landing")
    for day, part, version in data.draw(st.permutations(arrivals)):
        put(home, f"tills/till_lines/{day}/till-lines_{part}_v{version}.csv")
    found = landed(TILLS, [DAY_1, DAY_2, DAY_3], settings_of(home))

    newest: dict[str, tuple[int, date]] = {}
    for day, part, version in arrivals:
        newest[part] = max(newest.get(part, (0, DAY_0)), (version, day))
    assert {(f.part, f.arrival_day) for files in found.files.values() for f in files} == {
        (part, max(day, DAY_1)) for part, (_, day) in newest.items()
    }
    assert sum(found.superseded.values()) + sum(map(len, found.files.values())) == len(arrivals)
    missing = {p.key.rpartition("/")[2] for p in found.problems[DAY_2]}
    assert missing == {"g1_20170102", "g2_20170102"} - newest.keys()
