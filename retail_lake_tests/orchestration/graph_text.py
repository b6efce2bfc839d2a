"""The asset graph as text, to be read in a diff. `python -m retail_lake_tests.orchestration.graph_text` writes it anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg

from retail_lake.config import Settings
from retail_lake.orchestration import build_definitions

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")


def graph_text() -> str:
    """Groups, and in them each asset with its partitions, what it reads (and which days of it) and its checks."""
    definitions = build_definitions(settings=Settings())
    graph = definitions.resolve_asset_graph()
    lines: list[str] = []
    for group in sorted({str(graph.get(k).group_name) for k in graph.get_all_asset_keys()}):
        lines.append(f"[{group}]")
        for key in sorted(k for k in graph.get_all_asset_keys() if graph.get(k).group_name == group):
            node = graph.get(key)
            kind = "" if node.is_executable else ", external"
            lines.append(f"{_name(key)}  ({'by day' if node.partitions_def else 'whole'}{kind})")
            lines += [f"    reads {_name(p)}{_mapping(graph, key, p)}" for p in sorted(node.parent_keys)]
            names = sorted(
                f"{k.name}{' by day' if graph.get(k).partitions_def else ''}" for k in graph.get_check_keys_for_assets({key})
            )
            lines += [f"    check {name}" for name in names]
        lines.append("")
    return "\n".join(lines)


def _name(key: dg.AssetKey) -> str:
    return "/".join(key.path)


def _mapping(graph: Any, child: dg.AssetKey, parent: dg.AssetKey) -> str:
    if graph.get(parent).partitions_def is None:
        return ""
    mapping = graph.get_partition_mapping(child, parent)
    if isinstance(mapping, dg.AllPartitionMapping):
        return " of all days"
    if isinstance(mapping, dg.TimeWindowPartitionMapping) and mapping.start_offset:
        return f" of the {1 - mapping.start_offset} days that end with it"
    return ""


if __name__ == "__main__":
    SNAPSHOT.write_text(graph_text(), encoding="utf-8")
