"""compose.yaml, which needs a Docker engine to be run: all that can be held against the project without one."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import Settings
from tests.support.process import tradeengine

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "tradeengine"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def interpolated(text: str) -> str:
    """A value as Compose makes it where nothing is set."""
    return re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text)


def environment(name: str) -> dict[str, str]:
    return {key: interpolated(value) for key, value in SERVICES[name]["environment"].items()}


def image_environment() -> dict[str, str]:
    """What the image itself sets for the engine."""
    return dict(re.findall(r"\b((?:NATS|TRADEENGINE)_\w+)=(\S+)", DOCKERFILE))


def test_all_parts_are_there() -> None:
    assert {"engine", "nats", "mongodb", "mysql", "prometheus", "grafana"} <= SERVICES.keys()
    assert OURS == ["engine", "schema-mongodb", "schema-mysql"]


@pytest.mark.parametrize("name", OURS)
def test_the_engine_takes_its_settings(name: str) -> None:
    settings = Settings.load(environment(name) | image_environment())

    assert settings.trading_mode == "paper"
    assert settings.unused() == []


def test_addresses_name_parts_that_are_there() -> None:
    given = environment("engine")
    hosts = [re.split(r"[:/]", given[name].rpartition("//")[2].rpartition("@")[2])[0] for name in given if "UR" in name]

    assert sorted(hosts) == ["mongodb", "mysql", "nats"]
    assert f"replicaSet={SERVICES['mongodb']['command'][1]}" in given["MONGODB_URI"]
    mysql = environment("mysql")
    credentials = f"{mysql['MYSQL_USER']}:{mysql['MYSQL_PASSWORD']}"
    assert given["MYSQL_URI"] == f"mysql://{credentials}@mysql:3306/{mysql['MYSQL_DATABASE']}"


def test_who_waits_waits_for_what_comes() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            if condition == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"], f"{name} waits for the health of {other}"
            else:
                assert condition == "service_completed_successfully"
                assert "restart" not in SERVICES[other], f"{name} waits for the end of {other}"


def test_the_schema_is_made_before_the_engine_starts() -> None:
    assert {"schema-mongodb", "schema-mysql"} <= SERVICES["engine"]["depends_on"].keys()
    for store in ("mongodb", "mysql"):
        command = SERVICES[f"schema-{store}"]["command"]
        assert command == ["schema", "apply", "--target", store]
        assert list(SERVICES[f"schema-{store}"]["depends_on"]) == [store]
    done = tradeengine("schema", "apply", "--help")
    assert done.returncode == 0, done.stderr
    assert "--target" in done.stdout


def test_every_volume_is_a_file_of_ours_or_declared() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], source


def test_ports_are_open_to_this_machine_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
    assert not any("ports" in SERVICES[name] for name in ("mongodb", "mysql"))


def test_images_have_versions() -> None:
    images = [service["image"] for name, service in SERVICES.items() if name not in OURS]

    assert [image for image in images if not re.fullmatch(r"[\w/-]+:v?\d+\.\d+[\w.-]*", image)] == []


def test_prometheus_and_grafana_look_where_the_metrics_are() -> None:
    scraped = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    port = Settings.load({}).port
    sources = yaml.safe_load(
        (ROOT / "docker/grafana/provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8")
    )["datasources"]

    assert [target for job in scraped for target in job["static_configs"][0]["targets"]] == [f"engine:{port}"]
    assert f"EXPOSE {port}" in DOCKERFILE
    assert [source["url"] for source in sources] == ["http://prometheus:9090"]


def test_the_image_copies_what_there_is_and_runs_as_nobody_in_particular() -> None:
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}

    assert {source for sources in copied for source in sources} == let_in
    assert [source for source in let_in if not (ROOT / source).exists()] == []
    assert re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE) == ["10001"]
    assert f"\nVOLUME {image_environment()['TRADEENGINE_DATA_DIR']}\n" in DOCKERFILE
