"""The servers of a control plane, each a process of its own."""

import ssl
import subprocess
from pathlib import Path
from typing import Final

import httpx

from scripts.devservices.server import Server
from tests.kubernetes.cluster import program

_LOOPBACK: Final = "127.0.0.1"
_LOOK_S: Final = 5


class Part(Server):
    """A part of the program, which ``--flag=value`` configures."""

    def flags(self) -> dict[str, str | Path | int]:
        """Its flags, without the dashes."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"https://{_LOOPBACK}:{self.port}"

    def _command(self) -> list[str | Path]:
        return [program.build(), self.name, *(f"--{name}={value}" for name, value in self.flags().items())]


class Etcd(Part):
    """What the API server keeps its objects in."""

    name = "etcd"

    @property
    def url(self) -> str:
        return f"http://{_LOOPBACK}:{self.port}"

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=_LOOK_S, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def flags(self) -> dict[str, str | Path | int]:
        # One member talks to nobody: any free port will do for its peers.
        peers = f"http://{_LOOPBACK}:0"
        return {
            "data-dir": self.folder / "data",
            "unsafe-no-fsync": "true",
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
        }


class ApiServer(Part):
    """The API server; makes its own certificate.

    Parameters
    ----------
    folder
        Keeps log and certificate.
    etcd
        What it keeps its objects in.
    account_key
        Private key that signs tokens of service accounts.
    tokens
        File of tokens, their users and groups.
    """

    name = "kube-apiserver"

    def __init__(self, folder: Path, etcd: Etcd, account_key: Path, tokens: Path) -> None:
        super().__init__(folder)
        self._etcd = etcd
        self._account_key = account_key
        self._tokens = tokens

    @property
    def certificate(self) -> Path:
        """Its certificate, which clients trust."""
        return self.folder / "pki" / "apiserver.crt"

    def answers(self) -> bool:
        try:
            trusted = ssl.create_default_context(cafile=self.certificate)
            return httpx.get(f"{self.url}/readyz", timeout=_LOOK_S, verify=trusted, trust_env=False).is_success
        except (OSError, httpx.TransportError):
            return False

    def flags(self) -> dict[str, str | Path | int]:
        return {
            "etcd-servers": self._etcd.url,
            "bind-address": _LOOPBACK,
            "secure-port": self.port,
            "advertise-address": _LOOPBACK,
            "endpoint-reconciler-type": "none",
            "cert-dir": self.certificate.parent,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-signing-key-file": self._account_key,
            "service-account-key-file": self._account_key,
            "service-cluster-ip-range": "10.0.0.0/24",
            "authorization-mode": "RBAC",
            # As clusters have it: whether a pod may be is left to its namespace's security level.
            "allow-privileged": "true",
            "token-auth-file": self._tokens,
        }


class Client(Part):
    """A part that works for the API server; whether it does shows in the objects that it makes.

    Parameters
    ----------
    folder
        Keeps its log.
    kubeconfig
        How it finds the API server.
    """

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        super().__init__(folder)
        self._kubeconfig = kubeconfig

    def answers(self) -> bool:
        """Whether what it makes is there."""
        command: list[str | Path] = [program.build(), "kubectl", "--kubeconfig", self._kubeconfig, *self.proof()]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        return done.returncode == 0 and bool(done.stdout)

    def proof(self) -> list[str]:
        """Command of kubectl that prints something as soon as this part works."""
        raise NotImplementedError


class ControllerManager(Client):
    """What makes pods of Deployments and Jobs, and all the rest."""

    name = "kube-controller-manager"

    def __init__(self, folder: Path, kubeconfig: Path, account_key: Path) -> None:
        super().__init__(folder, kubeconfig)
        self._account_key = account_key

    def proof(self) -> list[str]:
        return ["get", "serviceaccount", "default", "--namespace", "default", "--output", "name"]

    def flags(self) -> dict[str, str | Path | int]:
        return {
            "kubeconfig": self._kubeconfig,
            "service-account-private-key-file": self._account_key,
            "leader-elect": "false",
            "secure-port": 0,
            # A machine that stands still for a while must not have all pods thrown off their nodes.
            "node-monitor-grace-period": "10m",
        }


class Scheduler(Client):
    """What gives pods to nodes."""

    name = "kube-scheduler"

    def proof(self) -> list[str]:
        # It has nothing to show before there are pods.
        return ["get", "namespace", "default", "--output", "name"]

    def flags(self) -> dict[str, str | Path | int]:
        return {"kubeconfig": self._kubeconfig, "leader-elect": "false", "secure-port": 0}


class Kwok(Client):
    """What plays nodes, and pods on them.

    Parameters
    ----------
    stages
        How pods come and go.
    """

    name = "kwok"

    def __init__(self, folder: Path, kubeconfig: Path, stages: Path) -> None:
        super().__init__(folder, kubeconfig)
        self._stages = stages

    def proof(self) -> list[str]:
        ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
        return ["get", "nodes", "--output", f"jsonpath={ready}"]

    def flags(self) -> dict[str, str | Path | int]:
        return {
            "kubeconfig": self._kubeconfig,
            "config": self._stages,
            "manage-all-nodes": "true",
            "node-lease-duration-seconds": 40,
            "server-address": f"{_LOOPBACK}:{self.port}",
        }
