"""The wheel, installed where nothing else is, does what the clone does."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from streamgauge import __version__
from streamgauge.testing import Script, ScriptedUpstream
from tests.e2e.conftest import KEY, SECRET

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "proxy" / "streamgauge"

CHAT = """
import boto3

client = boto3.client("bedrock-runtime", region_name="us-east-1")
messages = [{"role": "user", "content": [{"text": "How high is the river?"}]}]
for event in client.converse_stream(modelId="amazon.nova-lite-v1:0", messages=messages)["stream"]:
    print(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""), end="")
"""
"""An application that knows nothing of us."""

pytestmark = pytest.mark.timeout(400)  # downloads the dependencies once


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as it would be published."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a fresh environment that holds the wheel and what it asks for, in the locked versions."""
    place = tmp_path_factory.mktemp("bare")
    venv.create(place, with_pip=True)
    install = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "requirements.lock", wheel]
    done = subprocess.run([*map(str, install)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place / "bin"


def streamgauge(bare: Path, *arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program away from the clone, in an environment that knows only ``environ``."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    surroundings = kept | {"PATH": f"{bare}{os.pathsep}/usr/bin{os.pathsep}/bin", "XDG_STATE_HOME": str(cwd / "state")} | environ
    return subprocess.run([str(bare / "streamgauge"), *arguments], cwd=cwd, env=surroundings, capture_output=True, text=True, timeout=60)


def test_the_wheel_carries_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("/LICENSE")]
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert names == {path.relative_to(PACKAGE.parent).as_posix() for path in files}
    assert licences


def test_the_installed_program_knows_its_version(bare: Path, tmp_path: Path) -> None:
    assert streamgauge(bare, "--version", cwd=tmp_path).stdout == f"streamgauge {__version__}\n"


def test_the_installed_program_explains_itself(bare: Path, tmp_path: Path) -> None:
    shown = streamgauge(bare, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert "Amazon Bedrock" in shown.stdout


def test_the_installed_program_prints_a_settings_file_that_it_takes(bare: Path, tmp_path: Path) -> None:
    sample = streamgauge(bare, "check-config", "--sample", cwd=tmp_path).stdout
    assert sample == (ROOT / "config" / "streamgauge.yaml").read_text(encoding="utf-8")
    (tmp_path / "s.yaml").write_text(sample, encoding="utf-8")
    assert streamgauge(bare, "check-config", "s.yaml", cwd=tmp_path).stdout == "s.yaml: no mistakes\n"


def test_the_installed_program_measures_an_unchanged_application(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(CHAT, encoding="utf-8")
    with ScriptedUpstream(Script(text="Two metres more than yesterday.", input_tokens=31)) as upstream:
        done = streamgauge(
            bare,
            *("run", "--upstream", f"bedrock-runtime={upstream.url}", "--", "python", "chat.py"),
            cwd=tmp_path,
            AWS_ACCESS_KEY_ID=KEY,
            AWS_SECRET_ACCESS_KEY=SECRET,
            AWS_EC2_METADATA_DISABLED="true",
        )
    assert done.returncode == 0, done.stderr
    assert "Two metres more than yesterday." in done.stdout
    assert "ConverseStream" in done.stderr
    assert "nova-lite" in done.stderr
