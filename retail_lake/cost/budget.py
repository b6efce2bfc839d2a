"""Budgets: before a remote job is launched, what is spent and what it may cost are held against the limits.

Belongs here: the decision and the guess it rests on. Does not: stopping what runs. What counts is what the ledger has,
and what this process has launched and not yet recorded; jobs that other processes have in flight are seen when they end.
"""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, date, datetime, timedelta
from typing import Final

from retail_lake.config import PREFIX, Settings
from retail_lake.cost import ledger
from retail_lake.cost.prices import price
from retail_lake.failure import ConfigurationFailure

REFRESH_SECONDS: Final = 30.0
"""How old what is known of other runs' spending may be."""

# Guesses, on the high side: what a worker (4 vCPU) gets through of stored bytes a second, and seconds before it begins.
_BYTES_PER_SECOND: Final = 4_000_000
_START_SECONDS: Final = 90
_WORKER_VCPU, _WORKER_GB = 4, 16
# Lambda: its largest memory, one process of DuckDB, fifteen minutes at most.
_LAMBDA_GB, _LAMBDA_BYTES_PER_SECOND, _LAMBDA_START, _LAMBDA_LIMIT = 10, 8_000_000, 10, 900


def estimate(engine: str, workers: int, input_bytes: int, settings: Settings) -> float:
    """A guess, rather too high than too low, at the US dollars of a job: start-up, then its bytes at a modest pace.

    `workers` is what `sizing.py` gives: of four vCPU and 16 GB each (Glue G.1X), the driver comes on top. A step on a
    cluster costs nothing more than the cluster.
    """
    if engine == "awslambda":
        seconds = min(_LAMBDA_START + input_bytes / _LAMBDA_BYTES_PER_SECOND, _LAMBDA_LIMIT)
        return price({"gb_seconds": seconds * _LAMBDA_GB, "requests": 1}, settings.region)
    running = max(1, workers)
    seconds = min(_START_SECONDS + input_bytes / (_BYTES_PER_SECOND * running), settings.job_timeout)
    if engine == "glue":
        return price({"dpu_seconds": seconds * (running + 1)}, settings.region)
    if engine == "emr_serverless":
        hours = seconds * (running + 1) / 3600
        return price({"vcpu_hours": hours * _WORKER_VCPU, "gb_hours": hours * _WORKER_GB}, settings.region)
    return 0.0


class Budget:
    """The limits of the settings. Objects for one lake share what they know of it; safe in threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        with _lock:
            self._spending = _known.setdefault((settings.lake_uri, settings.s3_endpoint), _Spending(settings))

    def check(self, run_id: str, estimate: float, token: str = "") -> str | None:
        """Whether a launch of about `estimate` dollars fits both budgets: None, or, where the settings say `warn`, why not.

        Raises `ConfigurationFailure` where they say `refuse`. With a `token` the estimate counts as spent until `settle`
        or until the ledger has that attempt, so that jobs launched side by side see each other.
        """
        if not (self.settings.budget_per_run or self.settings.budget_per_day):
            return None
        with self._spending.lock:
            told = self._over(run_id, estimate)
            if told and self.settings.over_budget == "refuse":
                raise ConfigurationFailure(
                    f"Not launched: {' '.join(told)} Raise the setting, set it to 0 for no limit, or let launches go on with "
                    f"{PREFIX}OVER_BUDGET=warn; `retail-lake cost` says what was spent on."
                )
            if token:
                self._spending.open[token] = (run_id, estimate)
        return " ".join(told) or None

    def settle(self, token: str, used: ledger.Used | None = None) -> None:
        """That attempt ended and was recorded as `used`; without, it was never launched."""
        with self._spending.lock:
            self._spending.open.pop(token, None)
            if used:
                self._spending.own[token] = used

    def spent_today(self) -> float:
        """US dollars of this UTC day so far, as the ledger has them."""
        with self._spending.lock:
            return math.fsum(u.dollars for u in self._spending.recorded() if u.utc_day == _today())

    def spent_today_by_run(self) -> dict[str, float]:
        """The same by run."""
        spent: dict[str, float] = {}
        with self._spending.lock:
            for used in self._spending.recorded():
                if used.utc_day == _today():
                    spent[used.run_id] = spent.get(used.run_id, 0.0) + used.dollars
        return spent

    def _over(self, run_id: str, estimate: float) -> list[str]:
        recorded = self._spending.recorded()
        open_ = self._spending.open.values()
        of_run = math.fsum([*(u.dollars for u in recorded if u.run_id == run_id), *(d for r, d in open_ if r == run_id)])
        of_day = math.fsum([*(u.dollars for u in recorded if u.utc_day == _today()), *(d for _, d in open_)])
        return [
            f"{PREFIX}{name} is {limit:g} US dollars; {spent:.4f} are spent {where} and this job may cost {estimate:.4f}."
            for name, limit, spent, where in (
                ("BUDGET_PER_RUN", self.settings.budget_per_run, of_run, "by this run"),
                ("BUDGET_PER_DAY", self.settings.budget_per_day, of_day, f"today ({_today()} UTC)"),
            )
            if limit and spent + estimate > limit
        ]


class _Spending:
    """What is known of a lake's spending: recorded attempts of today and the day before (a run may go past midnight), and
    estimates of what this process has in flight. Objects never change, so only new ones are read; hold the lock."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = threading.RLock()
        self.open: dict[str, tuple[str, float]] = {}
        self.own: dict[str, ledger.Used] = {}
        self._read: dict[str, ledger.Used | None] = {}
        self._looked_at = -math.inf

    def recorded(self) -> list[ledger.Used]:
        """Attempts on record, those of other processes at most `REFRESH_SECONDS` old."""
        if time.monotonic() - self._looked_at >= REFRESH_SECONDS:
            today = _today()
            uris = [u for day in (today - timedelta(days=1), today) for u in ledger.list_day(self.settings, day)]
            self._read = {u: self._read[u] if u in self._read else ledger.read_one(self.settings, u) for u in uris}
            self._looked_at = time.monotonic()
            self.own = {token: used for token, used in self.own.items() if used.utc_day >= today - timedelta(days=1)}
        by_token = self.own | {used.token: used for used in self._read.values() if used}
        for token in by_token.keys() & self.open.keys():
            del self.open[token]
        return list(by_token.values())


_lock: Final = threading.Lock()
_known: Final[dict[tuple[str, str], _Spending]] = {}


def _today() -> date:
    return datetime.now(UTC).date()
