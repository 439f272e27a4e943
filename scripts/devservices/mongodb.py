"""A server that speaks MongoDB's wire protocol: mongo-java-server with its H2 store."""

from pathlib import Path

from scripts.devservices.mongodb_host import mongodb_host
from scripts.devservices.probes import why_not_mongodb
from scripts.devservices.server import Server


class MongoServer(Server):
    """A MongoDB wire-protocol server on 127.0.0.1 that has written a command to its file before it answers.

    It has no sessions, transactions, change streams and updates by pipeline; what needs them cannot be shown with it.
    """

    name = "mongodb"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mongodb://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether it answers a ping now."""
        return why_not_mongodb(self.url) is None

    def _command(self) -> list[str | Path]:
        host = mongodb_host()
        return [host.java, "-Xmx1g", "-cp", host.classpath, "MongoHost", str(self.port), self.folder / "mongodb.h2"]
