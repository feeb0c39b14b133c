"""The recipes for every night: each is right by the tools that will read it, as far as they are on this machine."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from axsync.cli import main
from axsync.config import load_settings
from axsync.console import explain

ROOT = Path(__file__).parents[3]
RECIPES = ROOT / "docs/recipes"
CODES = {explain.FAILED, explain.USAGE, explain.PARTIAL, explain.REFUSED, explain.GUARDED}


def read(name: str) -> str:
    return (RECIPES / name).read_text("utf-8")


def manifest(kind: str) -> dict[str, Any]:
    """The one object of this kind."""
    (found,) = (one for one in yaml.safe_load_all(read("kubernetes.yaml")) if one["kind"] == kind)
    assert isinstance(found, dict)
    return found


def test_every_recipe_is_explained() -> None:
    """On a page, by the name of its file."""
    pages = [(ROOT / "docs" / name).read_text("utf-8") for name in ("nightly.md", "machines.md")]
    names = [path.name for path in RECIPES.iterdir() if path.is_file()]

    assert [name for name in names if not any(f"recipes/{name}" in page for page in pages)] == []


@pytest.mark.parametrize(
    "name", ["axsync.cron", "axsync.service", "kubernetes.yaml", "airflow_dag.py", "dagster_job.py"]
)
def test_the_options_of_a_recipe_exist(name: str) -> None:
    """Those behind `run`, in whatever way the recipe writes them."""
    command = main.get_command(main.make_context("axsync", ["--help"], resilient_parsing=True), "run")
    assert command is not None
    known = {word for option in command.params for word in (*option.opts, *option.secondary_opts)}
    text = read(name)
    given = set(re.findall(r"--(?:config|log-format|output|credential|lake|instance|metrics-file|on-finish)\b", text))

    assert given
    assert given <= known


def test_the_settings_load(tmp_path: Path) -> None:
    """Those of the folder, and those inside the Kubernetes manifest; neither holds a secret."""
    inside = tmp_path / "axsync.toml"
    inside.write_text(manifest("ConfigMap")["data"]["axsync.toml"])

    for path in (RECIPES / "axsync.toml", inside):
        settings = load_settings(path, environ={})
        assert settings.run.entities
        assert settings.instances[0].name == "prod"


# ------------------------------------------------------------------------------------------------ cron


def night(folder: Path, *codes: int, tries: int = 6) -> tuple[int, list[str]]:
    """The exit code of the script, and what `axsync` was called with, where it ends with these codes in turn."""
    (folder / "codes").write_text("".join(f"{code}\n" for code in codes))
    program = folder / "axsync"
    program.write_text('#!/bin/sh\necho "$@" >> calls\ncode=$(head -n 1 codes); sed -i 1d codes\nexit "$code"\n')
    program.chmod(0o755)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "AXSYNC_PAUSE": "0", "AXSYNC_TRIES": str(tries)}
    ended = subprocess.run([RECIPES / "axsync-night", "-q", "two words"], cwd=folder, env=environ, check=False)
    return ended.returncode, (folder / "calls").read_text().splitlines()


@pytest.mark.parametrize("code", [0, *sorted(CODES)])
def test_the_script_ends_with_the_code_of_the_run(tmp_path: Path, code: int) -> None:
    """After one try, where another would be no use."""
    assert night(tmp_path, code) == (code, ["run -q two words"])


def test_the_script_tries_again_after_75(tmp_path: Path) -> None:
    """Until something else comes, or the tries are used up."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert night(tmp_path / "a", 75, 75, 3)[0] == 3
    code, calls = night(tmp_path / "b", *[75] * 9, tries=4)
    assert (code, len(calls)) == (75, 4)


def test_the_script_hands_a_signal_on_and_waits(tmp_path: Path) -> None:
    """What axsync has is put away before the script ends, with the code of axsync."""
    program = tmp_path / "axsync"
    program.write_text(
        "#!/bin/sh\ntrap 'sleep 0.3; echo away > done; exit 143' TERM\n: > began\nwhile :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen([RECIPES / "axsync-night"], cwd=tmp_path, env=environ) as script:
        try:
            while not (tmp_path / "began").exists():
                assert script.poll() is None
                time.sleep(0.01)
            script.terminate()
            code = script.wait(30)
        finally:
            script.kill()

    assert (code, (tmp_path / "done").read_text()) == (143, "away\n")


def test_the_script_is_right_for_every_shell() -> None:
    """No error by the shell's own check; it is executable."""
    for name in ("axsync-night", "axsync-shards"):
        subprocess.run(["sh", "-n", RECIPES / name], check=True)
        assert os.access(RECIPES / name, os.X_OK)


def test_the_table_for_cron_has_a_user_and_a_command() -> None:
    """Five fields of time, then both; cron would take a % for the end of the command."""
    lines = [line for line in read("axsync.cron").splitlines() if line and not line.startswith("#") and "=" not in line]

    (line,) = lines
    fields = line.split(maxsplit=6)
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields[:5])
    assert (fields[5], fields[6].split()[0]) == ("axsync", "axsync-night")
    assert "%" not in line
    assert read("axsync.cron").endswith("\n")


# ------------------------------------------------------------------------------------ several machines

INDEXED = ("kubernetes-shards.yaml", "kubernetes-shards-s3.yaml")
SHARED = ("axsync-shards", *INDEXED, "airflow_shards_dag.py", "dagster_shards_job.py")


@pytest.mark.parametrize("name", SHARED)
def test_the_options_of_the_three_verbs_exist(name: str) -> None:
    """Those of `plan`, `work` and `publish`; all three are used."""
    context = main.make_context("axsync", ["--help"], resilient_parsing=True)
    found = [main.get_command(context, verb) for verb in ("plan", "work", "publish")]
    known = {word for one in found if one for option in one.params for word in option.opts}
    text = "\n".join(line for line in read(name).splitlines() if not line.lstrip().startswith("#"))

    assert (
        set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*\b", text)) - {"-c", "-e", "-u", "-p", "-eq", "-gt", "-ne"} <= known
    )
    assert all(re.search(rf"\b{verb}\b", text) for verb in ("plan", "work", "publish"))


def shared_night(folder: Path, number: int, *codes: int) -> tuple[int, list[str]]:
    """As `night`, of one machine of three."""
    (folder / "codes").write_text("".join(f"{code}\n" for code in codes))
    ending = '#!/bin/sh\necho "$@" >> calls\ncode=$(head -n 1 codes); sed -i 1d codes\nexit "$code"\n'
    for name, text in (("axsync", ending), ("sleep", "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    told = {"PATH": f"{folder}:{os.environ['PATH']}", "AXSYNC_TRIES": "2"}
    ended = subprocess.run([RECIPES / "axsync-shards", str(number), "3", ".", "a b"], cwd=folder, env=told, check=False)
    plan = next((path.name for path in folder.glob("plan-*.json")), "no plan")
    calls = (folder / "calls").read_text() if (folder / "calls").exists() else ""
    return ended.returncode, calls.replace(f"./{plan}", "PLAN").splitlines()


def test_the_script_for_several_machines(tmp_path: Path) -> None:
    """The first one plans and publishes, at last without who is not done; the others wait for the plan, and read."""
    folders = [tmp_path / name for name in ("late", "good", "gone", "bad")]
    for folder in folders:
        folder.mkdir()
    late, good, gone, bad = folders

    assert shared_night(late, 1) == (75, [])
    plan = "plan --shards 3 a b"
    assert shared_night(good, 0, 0, 75, 0, 75, 0) == (0, [plan, *["work -q PLAN 0"] * 2, *["publish -q PLAN"] * 2])
    assert shared_night(good, 2, 3)[0] == 3
    whole = "publish -q --what-is-whole PLAN"
    assert shared_night(gone, 0, 0, 0, 75, 75, 3) == (3, [plan, "work -q PLAN 0", *["publish -q PLAN"] * 2, whole])
    assert shared_night(bad, 0, 2) == (2, [plan])


@pytest.mark.parametrize("name", INDEXED)
def test_an_indexed_job_has_as_many_pods_as_shards(name: str) -> None:
    """75 is tried again, shard by shard; other codes cost their shard only."""
    (job,) = (one for one in yaml.safe_load_all(read(name)) if one["kind"] == "CronJob")
    spec = job["spec"]["jobTemplate"]["spec"]
    shards = re.search(r"--shards (\d+)", str(spec["template"]["spec"]["initContainers"][0]["args"]))
    _, failed = spec["podFailurePolicy"]["rules"]

    assert shards is not None
    assert int(shards[1]) == spec["completions"] == spec["parallelism"]
    assert (spec["completionMode"], failed["action"]) == ("Indexed", "FailIndex")
    assert set(failed["onExitCodes"]["values"]) == CODES


# --------------------------------------------------------------------------------------------- systemd


def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    """By its own tool, where it is installed; the program is one that this machine has."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for name in ("axsync.service", "axsync.timer"):
        (tmp_path / name).write_text(read(name).replace("/usr/local/bin/axsync", sys.executable))
    said = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "axsync.service", tmp_path / "axsync.timer"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_the_service_tries_again_after_75_only() -> None:
    """With a bound, and never by a general rule."""
    unit = read("axsync.service")

    assert re.findall(r"^(Restart\w*)=(.*)$", unit, re.MULTILINE) == [
        ("Restart", "no"),
        ("RestartForceExitStatus", "75"),
        ("RestartSec", "10min"),
    ]
    assert "StartLimitBurst=6" in unit
    assert "SuccessExitStatus" not in unit


# ------------------------------------------------------------------------------------------ Kubernetes


def test_the_cron_job_runs_once_at_a_time_and_tries_again_after_75_only() -> None:
    """Codes that another try would not mend fail the job at once; a node that went away does not count."""
    spec = manifest("CronJob")["spec"]
    job = spec["jobTemplate"]["spec"]
    ignored, failed = job["podFailurePolicy"]["rules"]

    assert spec["concurrencyPolicy"] == "Forbid"
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # what podFailurePolicy needs
    assert ignored == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    assert failed["action"] == "FailJob"
    assert set(failed["onExitCodes"]["values"]) == CODES
    assert failed["onExitCodes"]["containerName"] == job["template"]["spec"]["containers"][0]["name"]


def test_the_pod_may_do_no_more_than_it_must() -> None:
    """Nobody's user, a root that cannot be written, no capability, no token; what it writes to is mounted."""
    pod = manifest("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert mounts == {"/etc/axsync": True, "/run/secrets/axsync": True, "/lake": False, "/tmp": False}  # noqa: S108
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert "secretKeyRef" not in read("kubernetes.yaml")  # a variable is in every process list of the pod


# ------------------------------------------------------------------------------------------- Dockerfile


def test_the_image_runs_axsync_itself_as_nobody() -> None:
    """No shell stands between a signal and axsync; the user of the image is that of the pod."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    pod = manifest("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]

    assert 'ENTRYPOINT ["axsync"]' in lines
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" in lines
    assert "--require-hashes" in "\n".join(lines)


def test_nothing_of_a_checkout_slips_into_the_image() -> None:
    """Everything is left out but what the image is made of."""
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)

    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == {name for names in copied for name in names.split()}
