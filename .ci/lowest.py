"""Print the lowest versions that pyproject.toml allows, as requirements."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
for requirement in project["dependencies"]:
    name, version = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
    print(f"{name}~={version}.0" if version.count(".") < 2 else f"{name}=={version}")
