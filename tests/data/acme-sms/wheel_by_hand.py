"""The smallest build backend (PEP 517), for tests that must not download one. A package of your own takes hatchling."""

import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:
    """Write the wheel of src/ and of the entry points in pyproject.toml; return its name."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    distribution = f"{project['name'].replace('-', '_')}-{project['version']}"
    with tempfile.TemporaryDirectory() as directory:
        content = Path(directory, "content")
        shutil.copytree(HERE / "src", content, ignore=shutil.ignore_patterns("__pycache__"))
        for name, text in _metadata(project).items():
            file = content / f"{distribution}.dist-info" / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
        record = content / f"{distribution}.dist-info" / "RECORD"
        files = [*(file for file in content.rglob("*") if file.is_file()), record]
        record.write_text("".join(f"{file.relative_to(content).as_posix()},,\n" for file in files), "utf-8")
        archive = shutil.make_archive(str(Path(directory, "wheel")), "zip", content)
        name = f"{distribution}-py3-none-any.whl"
        shutil.copyfile(archive, Path(wheel_directory, name))
    return name


def _metadata(project: dict[str, Any]) -> dict[str, str]:
    points = {
        group: "\n".join(f"{name} = {target}" for name, target in members.items())
        for group, members in project["entry-points"].items()
    }
    return {
        "METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "\n\n".join(f"[{group}]\n{lines}" for group, lines in points.items()) + "\n",
    }
