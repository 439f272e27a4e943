"""The cluster, for people."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.api import Cluster, ClusterMember, ClusterShard, Takeover


def show_cluster(console: Console, seen: Cluster) -> None:
    """Print a table of the pods, one of the shards, and what is wrong."""
    console.print(_members(seen.members))
    console.print(_shards(seen.shards))
    orphans = [str(shard.shard) for shard in seen.shards if not shard.owner_lives]
    verdict = f"shards without an owner that lives: {', '.join(orphans)}" if orphans else "every shard has an owner"
    console.print(Text(verdict, "bold red" if orphans else "green"), soft_wrap=True)


def _members(members: list[ClusterMember]) -> Table:
    table = _table("Pods", "name", "state", "version", "since (its own clock)", right=("shards", "beats"))
    for member in members:
        state = ("drained" if member.drained else "lives") if member.lives else "silent"
        table.add_row(
            member.name,
            Text(state, {"lives": "green", "drained": "yellow", "silent": "bold red"}[state]),
            member.version or "",
            member.since or "",
            str(member.shards),
            str(member.beats),
        )
    return table


def _shards(shards: list[ClusterShard]) -> Table:
    copies = list(shards[0].behind) if shards else []
    behind = [f"behind: {name}" for name in copies]
    table = _table("Shards", "shard", "owner", "last take-over", "from", "why", right=("epoch", "position", *behind))
    for shard in shards:
        owner = Text(shard.owner or "nobody", "" if shard.owner_lives else "bold red")
        table.add_row(
            str(shard.shard),
            owner,
            *_takeover(shard.last_takeover),
            str(shard.epoch or ""),
            str(shard.position or ""),
            *[_count(shard.behind.get(name)) for name in copies],
        )
    return table


def _takeover(taken: Takeover | None) -> tuple[str, str, str]:
    return (taken.at, taken.former or "", taken.cause or "") if taken is not None else ("", "", "")


def _count(records: int | None) -> str:
    return "?" if records is None else str(records)


def _table(title: str, *left: str, right: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right")
    return table
