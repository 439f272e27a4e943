"""A release of the chart in a namespace of its own."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from scripts.kubernetes.helm import CHART
from tests.kubernetes.cluster.cluster import Cluster, Document, Done
from tests.support.nats import wait_for_sync

NAME: Final = "tradeengine"
KEYS: Final = (
    "MONGODB_URI",
    "MYSQL_URI",
    "NATS_URL",
    "READER_API_KEY",
    "TRADER_API_KEY",
    "RISK_OVERRIDE_KEY",
    "ADMIN_API_KEY",
    "BINANCE_API_KEY",
    "BINANCE_API_SECRET",
)
"""What the Secret of a namespace holds unless a test says otherwise: all that any mode asks for."""

QUICK: Final = ("rollout.minReadySeconds=0",)
"""Pods here are ready at once, and get no shards that they would need a lease's time for."""

PATIENT: Final = "60s"
"""How long helm waits for what must come about."""

BRIEF: Final = "15s"
"""How long it waits for what never does; the Jobs before it must fit in."""


class Release:
    """A namespace under the restricted security level, with a Secret, and the chart's release in it.

    Parameters
    ----------
    cluster
        Where it is.
    namespace
        Its name; nobody else's.
    secret
        What the Secret holds; none is made of an empty one.
    """

    def __init__(self, cluster: Cluster, namespace: str, secret: Mapping[str, str]) -> None:
        self.cluster = cluster
        self.namespace = namespace
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        made: list[Document] = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        ]
        if secret:
            metadata = {"name": NAME, "namespace": namespace}
            made.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(secret)})
        done = cluster.apply(made)
        assert done.returncode == 0, done.stderr
        # The controllers make it; helm looks for it to know that a cluster answers.
        wait_for_sync(lambda: self.kubectl("get", "serviceaccount", "default").returncode == 0, what="its account")

    # ------------------------------------------------------------ what changes it

    def kubectl(self, *words: str | Path, given: str | None = None) -> Done:
        """Run a command of kubectl in the namespace."""
        return self.cluster.kubectl("--namespace", self.namespace, *words, given=given)

    def helm(self, *words: str | Path) -> Done:
        """Run a command of helm in the namespace."""
        return self.cluster.helm("--namespace", self.namespace, *words)

    def upgrade(self, *given: str, mode: str = "paper", words: Sequence[str] = (), timeout: str = PATIENT) -> Done:
        """Install the release or upgrade it, and wait for pods and Jobs.

        Parameters
        ----------
        given
            Values beside those of the mode, as ``--set`` takes them.
        mode
            Whose file of values is taken.
        words
            More of the command line, such as ``--atomic``.
        timeout
            How long helm waits for each step.
        """
        values = ["--values", str(CHART / f"values-{mode}.yaml")]
        single = [word for value in (*QUICK, *given) for word in ("--set", value)]
        waiting = ["--wait", "--wait-for-jobs", "--timeout", timeout]
        return self.helm("upgrade", "--install", NAME, CHART, *values, *single, *waiting, *words)

    def install(self, *given: str, mode: str = "paper") -> None:
        """Install the release, which must succeed."""
        done = self.upgrade(*given, mode=mode)
        assert done.returncode == 0, done.stderr

    # ------------------------------------------------------------ what it is

    def get(self, *words: str) -> Document:
        """An object of the namespace, or a list of them."""
        return self.cluster.get("--namespace", self.namespace, *words)

    @property
    def deployment(self) -> Document:
        """Its Deployment."""
        return self.get("deployment", NAME)

    @property
    def image(self) -> str:
        """Image that its pods should have."""
        text: str = self.deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        return text

    @property
    def pods(self) -> list[Document]:
        """Pods of the engine that nobody has told to go."""
        found = self.get("pods", "--selector", "app.kubernetes.io/component=engine")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    @property
    def serving(self) -> list[str]:
        """Images of the pods that are ready."""
        return sorted(pod["spec"]["containers"][0]["image"] for pod in self.pods if is_ready(pod))

    @property
    def jobs(self) -> dict[str, Document]:
        """Status of each Job of the schema, by its name."""
        found = self.get("jobs", "--selector", "app.kubernetes.io/component=schema")["items"]
        return {job["metadata"]["name"]: job for job in found}

    @property
    def history(self) -> list[tuple[int, str]]:
        """Revisions and their status, as helm tells them."""
        done = self.helm("history", NAME, "--output", "json")
        assert done.returncode == 0, done.stderr
        return [(each["revision"], each["status"]) for each in json.loads(done.stdout)]

    def rollout(self, *words: str) -> Done:
        """Run ``kubectl rollout`` on the Deployment."""
        return self.kubectl("rollout", words[0], f"deployment/{NAME}", *words[1:])


def is_ready(pod: Document) -> bool:
    """Whether a pod says that it is ready."""
    conditions: list[dict[str, Any]] = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
