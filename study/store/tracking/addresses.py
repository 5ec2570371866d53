"""Where the record of a study in MLflow lies, and how it is opened in a browser."""

from __future__ import annotations

from pathlib import Path

from components.core.errors import command
from study.spec.folder import OutFolder


def default_uri(out: Path) -> str:
    """Return the address of the sqlite store inside an output folder."""
    return f"sqlite:///{OutFolder(out.resolve()).mlflow}"


def view_address(uri: str, view: str) -> str:
    """Return where MLflow's interface compares the arms: at its server, or at one that is started on this machine."""
    server = uri if uri.startswith("http") else "http://127.0.0.1:5000"
    return f"{server.rstrip('/')}/{view}"


def serve_command(uri: str) -> str:
    """Return the command that starts MLflow's interface on a store; empty for a server, where one runs."""
    return "" if uri.startswith("http") else command("mlflow", "ui", "--backend-store-uri", uri)
