"""Write the pages that are made from the code: ``python -m docs.generate``."""

from __future__ import annotations

import json
from pathlib import Path

from gingham.config import parameters

PAGE = Path(__file__).parent / "parameters.md"
HEAD = """# Parameters

Set any of them in `gingham.toml`, as a variable (`GINGHAM_SVM__FOLDS=3`) or as a flag (`--svm.folds 3`);
the later wins. Those of `[service]` are flags of `gingham serve`, without the name of the table: `--port 8080`.
`gingham init` writes them all. This page is made from `config/tables.py` by `make docs`.

| parameter | default | allowed | |
|---|---|---|---|
"""


def parameters_page() -> str:
    """Return the page as Markdown."""
    rows = []
    for parameter in parameters():
        allowed = parameter.allowed.replace("|", r"\|")
        rows.append(f"| `{parameter.name}` | `{json.dumps(parameter.default)}` | {allowed} | {parameter.help} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(parameters_page(), encoding="utf-8")
