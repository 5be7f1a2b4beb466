"""Files for Docker, compose and Kubernetes: as their schemas want them, and true of this Zava. None is run here."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.reference import all_settings
from zava.__main__ import app
from zava.adapters.web.health import health_routes
from zava.commands.exposure import check_exposure
from zava.settings import HttpSettings, Settings

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMAGE = f"zava:{PROJECT['version']}"
ADMINISTRATORS_IMAGE = f"zava-administrator:{PROJECT['version']}"
PORT = HttpSettings().port
HEALTH = {route.path for route in health_routes({})}
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
OBJECTS = list(yaml.safe_load_all((ROOT / "kubernetes.yaml").read_text(encoding="utf-8")))
COLLECTOR = yaml.safe_load((ROOT / "otel-collector.yaml").read_text(encoding="utf-8"))
KUBERNETES = "1.33"

VARIABLE = re.compile(r"\$\{(\w+)(?::[-?]([^}]*))?\}")
OPENTELEMETRY = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_RESOURCE_ATTRIBUTES"}


def dockerfile() -> Iterator[tuple[str, str]]:
    """Its instructions, each with the rest of its line."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(str.strip, text.splitlines()):
        instruction, _, rest = line.partition(" ")
        yield instruction, " ".join(rest.split())


INSTRUCTIONS = list(dockerfile())
IMAGE_SETTINGS = dict(
    word.split("=", 1) for instruction, rest in INSTRUCTIONS if instruction == "ENV" for word in shlex.split(rest)
)


def said(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def objects(kind: str) -> list[Mapping[str, Any]]:
    return [found for found in OBJECTS if found["kind"] == kind]


def pods() -> list[Mapping[str, Any]]:
    return [found["spec"]["template"]["spec"] for found in OBJECTS if "template" in found.get("spec", {})]


def containers() -> list[Mapping[str, Any]]:
    return [container for pod in pods() for container in (*pod["containers"], *pod["initContainers"])]


def interpolated(value: object) -> str:
    """As compose reads it where nothing but what must be set is set."""
    return VARIABLE.sub(lambda found: (found[2] or "") if ":-" in found[0] else "secret", str(value))


def compose_settings(service: str) -> dict[str, str]:
    return {name: interpolated(value) for name, value in COMPOSE["services"][service].get("environment", {}).items()}


def kubernetes_settings(pod: Mapping[str, Any]) -> dict[str, str]:
    (config,) = objects("ConfigMap")
    (container,) = pod["containers"]
    return {**config["data"], **{entry["name"]: entry.get("value", "secret") for entry in container.get("env", ())}}


def of_zava(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("ZAVA_")}


# Docker


def test_the_image_ends_as_a_user_with_a_number_who_is_not_root() -> None:
    last = [(name, rest) for name, rest in INSTRUCTIONS if name in {"FROM", "USER"}][-1]
    assert last == ("USER", "10001:10001")
    # Kubernetes and the folders of the image mean the same user.
    assert "--uid 10001" in " ".join(said("RUN"))


def test_every_stage_has_a_name_and_begins_with_a_pinned_image_or_another_stage() -> None:
    stages: list[str] = []
    for start in said("FROM"):
        origin, _, name = start.partition(" AS ")
        assert name, start
        if origin not in stages:
            repository, _, tag = origin.partition(":")
            assert re.fullmatch(r"\d+\.\d+-slim-\w+", tag), start
            assert "." not in repository.partition("/")[0], "a registry's host"
        stages.append(name)
    copied_from = [stage for rest in said("COPY") for stage in re.findall(r"--from=(\S+)", rest)]
    assert copied_from
    assert set(copied_from) <= set(stages[:-1])


def test_whatever_the_image_copies_is_there_and_not_ignored() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    sources = {source for rest in said("COPY") if "--from" not in rest for source in rest.split()[:-1]}
    assert sources == kept
    assert [source for source in sources if not (ROOT / source).exists()] == []
    # What the build reads beside the code: hatchling would fail without.
    assert {PROJECT["readme"], "LICENSE", "pyproject.toml", "requirements.lock"} <= sources


def test_the_image_has_extras_that_there_are() -> None:
    (extras,) = (rest.removeprefix("EXTRAS=").split(",") for rest in said("ARG"))
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def test_the_image_is_well_where_the_server_listens_and_says_so() -> None:
    assert said("EXPOSE") == [str(PORT)]
    (check,) = said("HEALTHCHECK")
    (url,) = (urlsplit(url) for url in re.findall(r"http://[^']+", check))
    assert (url.hostname, url.port) == ("127.0.0.1", PORT)
    assert url.path in HEALTH
    assert json.loads(check.partition("CMD ")[2])[0] == "python"
    assert said("ENTRYPOINT") == ['["zava"]']


def test_what_is_installed_in_the_image_is_checked_by_hash() -> None:
    installing = [rest for rest in said("RUN") if "install --" in rest and "pip" in rest]
    assert len(installing) == 2
    assert all("--require-hashes" in rest for rest in installing)


# Compose


def test_compose_is_as_its_specification_wants_it() -> None:
    assert [
        error.message for error in Draft202012Validator(get_builtin_schema("compose-spec")).iter_errors(COMPOSE)
    ] == []


def test_every_image_of_compose_is_pinned_and_names_no_registry() -> None:
    for service in COMPOSE["services"].values():
        repository, _, tag = service["image"].partition(":")
        assert tag not in {"", "latest"}
        assert "." not in repository.partition("/")[0]
    assert COMPOSE["services"]["zava"]["image"] == IMAGE


def test_whatever_compose_mounts_is_there() -> None:
    mounted = [
        volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service.get("volumes", ())
    ]
    files = {source for source in mounted if source.startswith("./")}
    assert files == {
        "./otel-collector.yaml",
        "./observability/prometheus-rules.yaml",
        "./observability/grafana-dashboard.json",
    }
    assert [source for source in files if not (ROOT / source).is_file()] == []
    assert set(mounted) - files == set(COMPOSE["volumes"])
    configured = {config["source"] for service in COMPOSE["services"].values() for config in service.get("configs", ())}
    assert configured == set(COMPOSE["configs"])
    assert all(yaml.safe_load(config["content"]) for config in COMPOSE["configs"].values())


def test_compose_publishes_nothing_beyond_this_machine() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert f"127.0.0.1:{PORT}:{PORT}" in ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_services_of_compose_find_each_other() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
    addresses = [
        compose_settings("zava")["OTEL_EXPORTER_OTLP_ENDPOINT"],
        services["collector"]["environment"]["JAEGER_ENDPOINT"],
    ]
    prometheus = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])
    (scraped,) = prometheus["scrape_configs"]
    addresses += scraped["static_configs"][0]["targets"]
    addresses.append(yaml.safe_load(COMPOSE["configs"]["grafana-datasource"]["content"])["datasources"][0]["url"])
    hosts = [address.removeprefix("http://").split(":") for address in addresses]
    assert [host for host, _ in hosts] == ["collector", "jaeger", "collector", "prometheus"]
    received = COLLECTOR["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"].rpartition(":")[2]
    exported = COLLECTOR["exporters"]["prometheus"]["endpoint"].rpartition(":")[2]
    assert [port for _, port in hosts] == [received, "4317", exported, "9090"]
    # Otherwise alerts and dashboard would ask for the collector's name in place of the service's.
    assert scraped["honor_labels"]


def test_zava_in_compose_may_do_as_little_as_it_can() -> None:
    for name in ("init", "zava", "administrator", "token"):
        service = COMPOSE["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    # The server never has the password of an administrator.
    assert "ZAVA_DATABASE__ADMIN_DSN" not in compose_settings("zava")
    assert compose_settings("init")["ZAVA_DATABASE__ADMIN_DSN"].endswith("password=secret")


def test_backups_are_made_by_an_image_with_the_programs_for_it_and_never_by_the_servers() -> None:
    (servers,) = (rest.removeprefix("EXTRAS=").split(",") for rest in said("ARG"))
    administrator = COMPOSE["services"]["administrator"]
    assert administrator["image"] == ADMINISTRATORS_IMAGE
    # And whatever the server can, such as `embed`.
    assert set(administrator["build"]["args"]["EXTRAS"].split(",")) == {*servers, "embedded"} != set(servers)
    (build,) = (words for words in documented("docker build ") if ADMINISTRATORS_IMAGE in words)
    assert build == ["--build-arg", "EXTRAS=embedded", "--tag", ADMINISTRATORS_IMAGE, "."]


# Kubernetes


@pytest.mark.parametrize("found", OBJECTS, ids=lambda found: found["kind"])
def test_a_kubernetes_object_is_as_its_schema_wants_it(found: dict[str, Any]) -> None:
    kubernetes_validate.validate(found, KUBERNETES, strict=True)


def test_every_container_of_kubernetes_may_do_as_little_as_it_can() -> None:
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
    assert len(containers()) == 4
    for container in containers():
        assert container["image"] == IMAGE
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_kubernetes_mounts_what_it_has() -> None:
    for pod in pods():
        volumes = {volume["name"] for volume in pod["volumes"]} | {"spool"}
        mounts = {
            mount["name"]
            for container in (*pod["containers"], *pod["initContainers"])
            for mount in container["volumeMounts"]
        }
        assert mounts <= volumes
    (servers,) = objects("StatefulSet")
    assert [claim["metadata"]["name"] for claim in servers["spec"]["volumeClaimTemplates"]] == ["spool"]


def test_kubernetes_asks_for_health_where_it_is_told() -> None:
    (servers,) = objects("StatefulSet")
    (container,) = servers["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert port == {"name": "http", "containerPort": PORT}
    probes = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["path"] for probe in probes} == HEALTH
    assert {probe["port"] for probe in probes} == {"http"}
    # A database that is away is no reason to start a server anew.
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
    (service,) = objects("Service")
    assert service["spec"]["ports"][0]["targetPort"] == "http"


def test_the_selectors_of_kubernetes_mean_the_servers_and_not_the_migration() -> None:
    (servers,) = objects("StatefulSet")
    (service,) = objects("Service")
    (budget,) = objects("PodDisruptionBudget")
    labels = servers["spec"]["template"]["metadata"]["labels"]
    assert servers["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert budget["spec"]["minAvailable"] < servers["spec"]["replicas"]
    (job,) = objects("Job")
    assert job["spec"]["template"]["metadata"]["labels"] != labels
    assert job["metadata"]["name"].endswith(PROJECT["version"].replace(".", "-"))


def test_kubernetes_holds_no_secret_itself() -> None:
    assert objects("Secret") == []
    (job,) = objects("Job")
    (migrate,) = job["spec"]["template"]["spec"]["containers"]
    assert migrate["env"] == [
        {
            "name": "ZAVA_DATABASE__ADMIN_DSN",
            "valueFrom": {"secretKeyRef": {"name": "zava-administrator", "key": "dsn"}},
        }
    ]
    assert "password=" not in (ROOT / "kubernetes.yaml").read_text(encoding="utf-8")


# Commands and settings of all of them


def documented(start: str) -> list[list[str]]:
    """What follows on a line of a command block that begins so."""
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [shlex.split(line.removeprefix(start), comments=True) for line in lines if line.startswith(start)]


def after_the_image(words: list[str]) -> int:
    """Where the command of a container begins."""
    return next(place for place, word in enumerate(words, start=1) if word in {IMAGE, ADMINISTRATORS_IMAGE})


def commands() -> list[list[str]]:
    """Every command of Zava's that is run in a container."""
    (script,) = COMPOSE["services"]["token"]["command"]
    written = [shlex.split(line.removeprefix("exec ").partition(" >&2")[0]) for line in script.splitlines()]
    assert all(words[0] == "zava" for words in written)
    return [
        COMPOSE["services"]["init"]["command"],
        *(words[1:] for words in written),
        *(pod["containers"][0]["args"] for pod in pods()),
        json.loads(said("CMD")[-1]),
        *documented("docker compose run --rm administrator "),
        *documented("docker compose run --rm --volume ./backup:/backup administrator "),
        *documented("zava "),
        *(words[after_the_image(words) :] for words in documented("docker run --rm ")),
    ]


def test_containers_run_commands_that_there_are() -> None:
    names = {" ".join(command[:2]) for command in commands()}
    assert {"init --folder", "principals add", "token create", "db migrate", "db seed", "embed", "serve"} <= names
    assert "db backup" in names
    for command in commands():
        app.parse_args(command, exit_on_error=False, print_error=False)


ENVIRONMENTS = {
    **{f"compose {name}": compose_settings(name) for name in ("init", "zava", "administrator", "token")},
    **{f"kubernetes {pod['containers'][0]['name']}": kubernetes_settings(pod) for pod in pods()},
}


@pytest.mark.parametrize("where", ENVIRONMENTS)
def test_every_variable_is_a_setting_with_a_value_that_can_be_used(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = ENVIRONMENTS[where]
    names = all_settings().keys()
    assert set(of_zava(environment | IMAGE_SETTINGS)) <= names
    assert set(environment) - names <= OPENTELEMETRY | {"POD_NAME"}
    for name, value in of_zava(IMAGE_SETTINGS | environment).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.database.dsn is not None
    assert settings.database.context_key_file is not None


@pytest.mark.parametrize("where", ["compose zava", "kubernetes zava"])
def test_a_server_is_not_refused_for_where_it_listens(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in of_zava(IMAGE_SETTINGS | ENVIRONMENTS[where]).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.http.host == "0.0.0.0"  # noqa: S104 - within a container
    check_exposure(settings)


def test_keys_and_passwords_are_where_the_settings_say() -> None:
    for where, folder in (("compose zava", "/etc/zava"), ("kubernetes zava", "/run/zava")):
        environment = ENVIRONMENTS[where]
        assert environment["ZAVA_DATABASE__CONTEXT_KEY_FILE"] == f"{folder}/context-key"
        assert f"passfile={folder}/passwords" in environment["ZAVA_DATABASE__DSN"]
        assert f"passfile={folder}/passwords" in environment["ZAVA_DATABASE__WRITER_DSN"]
    spool = IMAGE_SETTINGS["ZAVA_AUDIT__SPOOL_DIR"]
    assert f"spool:{spool}" in COMPOSE["services"]["zava"]["volumes"]
    (servers,) = objects("StatefulSet")
    (container,) = servers["spec"]["template"]["spec"]["containers"]
    assert {"name": "spool", "mountPath": spool} in container["volumeMounts"]
