"""The program that every engine runs: read pinned inputs, transform, split, deduplicate, stage, audit, report.

Knows nothing of Dagster, catalogs or control planes. What it stages nobody reads until it is published. What it counts of a
day it counts where it is: what went in at the source, what came out in the files, duplicates among the keys. No number is
what the others leave, so that a row lost on the way is missed.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from retail_lake.contract import Column, Layer, Rule, Severity, Table
from retail_lake.failure import ConfigurationFailure, DataFailure
from retail_lake.jobs.audit import audit
from retail_lake.jobs.changes import changed_days
from retail_lake.jobs.description import (
    DataFile,
    DayReport,
    FileProblem,
    JobDescription,
    JobReport,
    PinnedInput,
    StagedFile,
)
from retail_lake.jobs.samples import Samples
from retail_lake.jobs.session import Row, Session
from retail_lake.quality.columns import text
from retail_lake.quality.expectations import start_import
from retail_lake.quality.findings import in_words
from retail_lake.quality.predicates import violation
from retail_lake.quality.supported import row_rules
from retail_lake.sql import relation_name
from retail_lake.tables import TABLES, inputs

Counts = Counter[date | None]

_QUARANTINE = (
    Column("_day", "date", ""),
    Column("rules", "string", ""),
    Column("reason", "string", ""),
    Column("record", "string", ""),
    Column("source_file", "string", ""),
    Column("position", "bigint", ""),
    Column("job_id", "string", ""),
    Column("run_id", "string", ""),
)


def run(job: JobDescription, session: Session) -> JobReport:
    """Run one job to its report.

    Raises `DataFailure` when the transformation meets a value that its contract type cannot hold, or gives rows of days
    that were not asked for; `ConfigurationFailure` when this code is not the code that planned the job.
    """
    if (ours := TABLES[job.table].code_version) != job.code_version:
        raise ConfigurationFailure(
            f"{job.table}: the job was planned with version {job.code_version} of the table, and what should run it has {ours}."
            " Run `retail-lake deploy`, so that both are the same."
        )
    if TABLES[job.table].rules:
        start_import()
    return _Job(job, session).run()


class _Job:
    """The state of one job: its session, its clock and what it has staged."""

    def __init__(self, job: JobDescription, session: Session) -> None:
        self.job = job
        self.table: Table = TABLES[job.table]
        self.session = session
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self) -> JobReport:
        steps = {Layer.BRONZE: self._bronze, Layer.SILVER: self._silver, Layer.GOLD: self._gold}
        return steps[self.table.layer]()

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - start

    # -- the three shapes of a job -----------------------------------------------------------------------------------

    def _bronze(self) -> JobReport:
        table, job, session = self.table, self.job, self.session
        with self._timed("transform"):
            session.landed("landed", table, job)
            names = ", ".join(c.name for c in table.columns if c.name not in ("_day", "_arrival_day"))
            staged = session.stage(
                f"SELECT {names}, {self._claimed_day()} AS _day, _arrival_day FROM landed", f"{job.staging}/rows", table.day
            )
            read = session.read()
        problems = [*job.problems, *read.problems]
        refused = [{**r, "job_id": job.job_id, "run_id": job.run_id} for r in read.refused]
        refused += [_whole_file(p, job) for p in problems]
        quarantine = self._stage_rows(refused)
        self._published(staged)
        touched: dict[date | None, list[date]] = defaultdict(list)
        with self._timed("audit"):
            for row in session.query("SELECT _arrival_day AS day, _day AS touched FROM published GROUP BY _arrival_day, _day"):
                touched[row["day"]].append(row["touched"])
            found, shown = audit(table, job, session, "published", staged)
        published, held = _rows_by_day(staged), _rows_by_day(quarantine)
        files = Counter(f.arrival_day for f in job.landed)
        by_day = defaultdict(list)
        for problem in problems:
            by_day[problem.arrival_day].append(problem)
        days = [
            DayReport(
                day=day,
                rows_in=read.records[day],
                published=published[day],
                # A whole file is in quarantine as one row, and none of its records went in.
                quarantined=held[day] - len(by_day.get(day, ())),
                verdicts=found.get(day, ()),
                problems=tuple(by_day.get(day, ())),
                files_read=files[day],
                touched_days=tuple(sorted(touched.get(day, ()))),
            )
            for day in job.days
        ]
        return self._report(days, staged, quarantine, shown)

    def _silver(self) -> JobReport:
        table, job, session = self.table, self.job, self.session
        assert table.day
        critical = [r for r in row_rules(table.rules) if r.severity is Severity.CRITICAL]
        with self._timed("transform"):
            self._register_inputs()
            broken = {rule.name: violation(rule, table) for rule in critical}
            listed = ", ".join(f"CASE WHEN {predicate} THEN '{name}' END" for name, predicate in broken.items())
            # Most rows break nothing: the names are put together only for those that do.
            names = f"CASE WHEN {' OR '.join(map(str, broken.values()))} THEN concat_ws(',', {listed}) ELSE '' END"
            session.keep("mapped", f"SELECT *, {names} AS _broken FROM ({self._cast(extra=('_day',))}) AS t")
            session.view("valid", "SELECT * FROM mapped WHERE _broken = ''")
            published, duplicates = self._deduplicated()
        with self._timed("stage"):
            staged = session.stage(published, f"{job.staging}/rows", table.day)
            (bad,) = session.query("SELECT count(*) AS n FROM mapped WHERE _broken <> ''")
            quarantine = self._stage_quarantine(critical) if bad["n"] else []
        self._published(staged)
        with self._timed("audit"):
            found, shown = audit(table, job, session, "mapped", staged)
        # What went in: the input's rows, or the elements where the transformation unnests them.
        counted = "mapped" if table.unnests else relation_name(self._source())
        rows_in = self._by_day(f"SELECT _day AS day, count(*) AS n FROM {counted} GROUP BY _day")
        kept, held = _rows_by_day(staged), _rows_by_day(quarantine)
        self._only_requested([*rows_in, *kept])
        days = [
            DayReport(
                day=day,
                rows_in=rows_in[day],
                published=kept[day],
                quarantined=held[day],
                duplicates=duplicates[day],
                verdicts=found.get(day, ()),
            )
            for day in job.days
        ]
        return self._report(days, staged, quarantine, shown)

    def _gold(self) -> JobReport:
        table, job, session = self.table, self.job, self.session
        with self._timed("transform"):
            self._register_inputs()
            staged = session.stage(self._cast(), f"{job.staging}/rows", table.day)
        self._published(staged)
        with self._timed("audit"):
            found, shown = audit(table, job, session, "published", staged)
            changed = changed_days(table, job, session) if table.day is None else None
        kept = _rows_by_day(staged)
        self._only_requested(kept)
        rows_in = kept
        if table.conserves:
            source = TABLES[table.conserves]
            counted = f"SELECT {source.day} AS day, count(*) AS n FROM {relation_name(table.conserves)} GROUP BY {source.day}"
            rows_in = self._by_day(counted)
        days = [
            DayReport(day=day, rows_in=rows_in[day], published=kept[day], verdicts=found.get(day, ()))
            for day in (job.days or (None,))
        ]
        return self._report(days, staged, [], shown, changed)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _register_inputs(self) -> None:
        pinned = {i.table: i for i in self.job.inputs}
        for name in inputs(self.table):
            if name == "run.days":
                rows = [{"day": d} for d in self.job.days]
                self.session.rows_of(relation_name(name), rows, (Column("day", "date", ""),))
                continue
            source = TABLES[name]
            where = ""
            if self.table.day and source.layer is Layer.BRONZE:
                where = self._among("_day")
            elif self.table.day and source.day and name not in self.table.whole and self.table.window == 1:
                where = self._among(source.day)
            elif self.table.day and source.day and name not in self.table.whole:
                last, back = max(self.job.days), self.table.window - 1
                where = f"{source.day} BETWEEN date_sub(DATE '{min(self.job.days)}', {back}) AND DATE '{last}'"
            self.session.parquet(relation_name(name), pinned[name], source.columns, where)

    def _among(self, column: str) -> str:
        """Rows of the requested days: a range where they follow each other, as they mostly do."""
        days = sorted(self.job.days)
        if (days[-1] - days[0]).days == len(days) - 1:
            return f"{column} BETWEEN DATE '{days[0]}' AND DATE '{days[-1]}'"
        listed = ", ".join(f"DATE '{d}'" for d in days)
        return f"{column} IN ({listed})"

    def _claimed_day(self) -> str:
        landing = self.table.landing
        assert landing
        claimed = f"({landing.claimed_day})"
        return (
            f"CASE WHEN {claimed} BETWEEN date_sub(_arrival_day, {landing.max_lateness}) AND _arrival_day"
            f" AND {claimed} >= DATE '{self.job.first_day}' THEN {claimed} ELSE _arrival_day END"
        )

    def _cast(self, extra: Sequence[str] = ()) -> str:
        """The transformation with every output column in its contract type; what does not fit is an error."""
        columns = [f"CAST({c.name} AS {c.type}) AS {c.name}" for c in self.table.columns]
        return f"SELECT {', '.join([*columns, *extra])} FROM ({self.table.sql}) AS t"

    def _deduplicated(self) -> tuple[str, Counts]:
        """SQL of the rows to publish, and how many more of their keys there are, by day.

        Only keys that occur more than once are ranked: they are few. A row without a part of its key stands for itself.
        """
        table, session = self.table, self.session
        names = ", ".join(c.name for c in table.columns)
        keys = tuple(dict.fromkeys((table.day or "", *table.key)))
        key, complete = ", ".join(keys), " AND ".join(f"{k} IS NOT NULL" for k in keys)
        session.keep(
            "repeated", f"SELECT {key}, count(*) - 1 AS _more FROM valid WHERE {complete} GROUP BY {key} HAVING count(*) > 1"
        )
        duplicates = self._by_day(f"SELECT {table.day} AS day, sum(_more) AS n FROM repeated GROUP BY {table.day}")
        if not duplicates:
            return f"SELECT {names} FROM valid", duplicates
        on = " AND ".join(f"v.{k} = r.{k}" for k in keys)
        picked = ", ".join(f"v.{c.name}" for c in table.columns)
        sql = (
            f"SELECT {picked} FROM valid AS v LEFT ANTI JOIN repeated AS r ON {on} UNION ALL SELECT {names} FROM"
            f" (SELECT {names}, row_number() OVER (PARTITION BY {key} ORDER BY {table.order_by}) AS _rank"
            f" FROM (SELECT {picked} FROM valid AS v INNER JOIN repeated AS r ON {on}) AS twice) AS ranked WHERE _rank = 1"
        )
        return sql, duplicates

    def _by_day(self, sql: str) -> Counts:
        """The result of a query for the number `n` of each `day`."""
        return Counter({row["day"]: row["n"] for row in self.session.query(sql)})

    def _source(self) -> str:
        """The bronze table whose records a silver table maps."""
        return next(n for n in inputs(self.table) if TABLES[n].layer is Layer.BRONZE)

    def _stage_quarantine(self, critical: Sequence[Rule]) -> list[StagedFile]:
        reasons = ", ".join(f"CASE WHEN {violation(rule, self.table)} THEN {text(in_words(rule))} END" for rule in critical)
        source = TABLES[self._source()]
        carried = ", ".join(f"s.{c.name} AS {c.name}" for c in source.columns)
        refused = (
            f"SELECT m._day AS _refused_on, m._broken AS _broken, m._reason AS _reason, {carried}"
            f" FROM (SELECT _day, _broken, concat_ws('; ', {reasons}) AS _reason, _source_file, _position"
            " FROM mapped WHERE _broken <> '') AS m"
            f" INNER JOIN {relation_name(source.full_name)} AS s"
            " ON m._source_file = s._source_file AND m._position = s._position"
        )
        return self.session.stage(
            "SELECT _refused_on AS _day, _broken AS rules, _reason AS reason,"
            f" {self.session.json(source.columns)} AS record, _source_file AS source_file, _position AS position,"
            f" '{self.job.job_id}' AS job_id, '{self.job.run_id}' AS run_id FROM ({refused}) AS r",
            f"{self.job.staging}/quarantine",
            "_day",
        )

    def _stage_rows(self, rows: Sequence[Row]) -> list[StagedFile]:
        if not rows:
            return []
        self.session.rows_of("refused", rows, _QUARANTINE)
        names = ", ".join(c.name for c in _QUARANTINE)
        return self.session.stage(f"SELECT {names} FROM refused", f"{self.job.staging}/quarantine", "_day")

    def _published(self, staged: Sequence[StagedFile]) -> None:
        """The audit reads exactly the files that would be published."""
        files = tuple(DataFile(uri=f.uri, rows=f.rows) for f in staged)
        self.session.parquet(
            "published", PinnedInput(table=self.table.full_name, snapshot_id=None, sequence=0, files=files), self.table.columns
        )

    def _only_requested(self, days: Iterable[date | None]) -> None:
        if stray := sorted(str(d) for d in set(days) - {*(self.job.days or (None,))}):
            raise DataFailure(
                f"{self.table.full_name}: the transformation gave rows of days that were not asked for: {', '.join(stray[:5])}."
                " Join `run.days`, or select the day column of the input that is filtered."
            )

    def _report(
        self,
        days: Sequence[DayReport],
        staged: Sequence[StagedFile],
        quarantine: Sequence[StagedFile],
        shown: Samples,
        changed: tuple[date, date] | None = None,
    ) -> JobReport:
        return JobReport(
            job_id=self.job.job_id,
            table=self.table.full_name,
            engine=self.session.name,
            days=tuple(days),
            staged=tuple(staged),
            quarantine=tuple(quarantine),
            samples=shown,
            seconds=dict(self.seconds),
            changed=changed,
        )


def _whole_file(problem: FileProblem, job: JobDescription) -> Row:
    return {
        "_day": problem.arrival_day,
        "rules": problem.rule,
        "reason": problem.problem,
        "record": None,
        "source_file": problem.key,
        "position": None,
        "job_id": job.job_id,
        "run_id": job.run_id,
    }


def _rows_by_day(staged: Sequence[StagedFile]) -> Counts:
    rows: Counts = Counter()
    for file in staged:
        rows[file.day] += file.rows
    return rows
