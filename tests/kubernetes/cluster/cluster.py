"""A Kubernetes cluster on this machine without containers: a real control plane, and kwok in place of its nodes."""

import json
import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from scripts.kubernetes.go_programs import HELM
from tests.kubernetes.cluster import program
from tests.kubernetes.cluster.parts import ApiServer, ControllerManager, Etcd, Kwok, Part, Scheduler
from tests.support.process import clean_env

Done = subprocess.CompletedProcess[str]
Document = dict[str, Any]

NODES: Final = 4
"""One more than a release has pods, so that a pod of the next version finds a node."""

_ROOM: Final = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "250"}
_HERE: Final = Path(__file__).parent
_SECONDS: Final = 120
"""What no command of kubectl or helm takes here."""


class Cluster:
    """A control plane, its nodes, and kubectl and helm that use it; a context manager that starts and ends it.

    Parameters
    ----------
    folder
        Keeps its data and logs; made if absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> "Cluster":
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def kubeconfig(self) -> Path:
        """How its administrator reaches it."""
        return self.folder / "kubeconfig"

    @property
    def programs(self) -> Path:
        """Folder with the programs kubectl and helm, for a PATH."""
        return self.folder / "bin"

    @property
    def env(self) -> dict[str, str]:
        """Variables for commands that use it, and no cluster or configuration of the user's."""
        helm = {f"HELM_{kind}_HOME": str(self.folder / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        path = os.pathsep.join([str(self.programs), os.environ["PATH"]])
        return clean_env() | helm | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder), "PATH": path}

    # ------------------------------------------------------------ what it is asked

    def kubectl(self, *words: str | Path, given: str | None = None) -> Done:
        """Run a command of kubectl to its end, whatever its end is."""
        return self._run(["kubectl", *words], given)

    def helm(self, *words: str | Path) -> Done:
        """Run a command of helm to its end, whatever its end is."""
        return self._run(["helm", *words], None)

    def apply(self, documents: Sequence[Mapping[str, Any]], *words: str) -> Done:
        """Have the API server take objects; it refuses fields that it does not know."""
        text = yaml.safe_dump_all(documents, sort_keys=False)
        return self.kubectl("apply", "--server-side", "--validate=strict", *words, "--filename", "-", given=text)

    def get(self, *words: str) -> Document:
        """One object, or a list of them, as the API server has it."""
        done = self.kubectl("get", *words, "--output", "json")
        assert done.returncode == 0, done.stderr
        found: Document = json.loads(done.stdout)
        return found

    def _run(self, command: Sequence[str | Path], given: str | None) -> Done:
        program_file = self.programs / command[0]
        return subprocess.run(
            [program_file, *command[1:]],
            env=self.env,
            cwd=self.folder,
            input=given or "",
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    # ------------------------------------------------------------ its life

    def _start(self, stack: ExitStack) -> None:
        self.programs.mkdir(parents=True)
        (self.programs / "kubectl").symlink_to(program.build())
        (self.programs / "helm").symlink_to(HELM.built())
        key, token = self._account_key(), secrets.token_hex(16)
        tokens = self._private("tokens.csv", f"{token},admin,admin,system:masters\n")

        def running(part: Part) -> None:
            stack.callback(part.close)
            part.start()

        etcd = Etcd(self.folder / "etcd")
        running(etcd)
        server = ApiServer(self.folder / "server", etcd, key, tokens)
        running(server)
        self._private("kubeconfig", yaml.safe_dump(_kubeconfig(server, token)))
        # The nodes first: what works for the server shows that it works by what becomes of them.
        self._make_nodes()
        running(ControllerManager(self.folder / "controllers", self.kubeconfig, key))
        running(Scheduler(self.folder / "scheduler", self.kubeconfig))
        running(Kwok(self.folder / "kwok", self.kubeconfig, _HERE / "stages.yaml"))
        done = self.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s")
        assert done.returncode == 0, done.stderr

    def _make_nodes(self) -> None:
        names = [f"node-{number}" for number in range(1, NODES + 1)]
        done = self.apply([_node(name, f"zone-{number}") for number, name in enumerate(names)])
        assert done.returncode == 0, done.stderr
        # Status is set apart; kwok leaves what is there already.
        status = json.dumps({"status": {"capacity": _ROOM, "allocatable": _ROOM}})
        done = self.kubectl("patch", "nodes", *names, "--subresource=status", "--type=merge", "--patch", status)
        assert done.returncode == 0, done.stderr

    def _account_key(self) -> Path:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        how = (
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        return self._private("accounts.key", key.private_bytes(*how).decode())

    def _private(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        return file


def _kubeconfig(server: ApiServer, token: str) -> Document:
    cluster = {"server": server.url, "certificate-authority": str(server.certificate)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
    }


def _node(name: str, zone: str) -> Document:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": zone,
    }
    annotations = {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
    }
