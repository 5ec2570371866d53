"""Prints the variables that take uv where pip gets: uv does not read the settings of pip.

Proxies that open TLS, mirrors and folders of wheels are set up for pip, in variables or in one of its files. What a
variable of uv says stays; variables that all programs read, as SSL_CERT_FILE, give way to pip's settings, as for pip.
"""

import ast
import os
import shlex
import subprocess
import sys

SECTIONS = ("global.", "install.", ":env:.")  # the last counts
UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
}


def pip_settings() -> dict[str, str]:
    """Return the settings of pip by name, from its variables and all of its files."""
    asked = [sys.executable, "-m", "pip", "config", "list"]  # 'get' looks into the user's file alone
    lines = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    settings: dict[str, str] = {}
    for section in SECTIONS:
        for name, _, value in (line.partition("=") for line in lines if line.startswith(section)):
            settings[name.removeprefix(section)] = " ".join(str(ast.literal_eval(value)).split())
    return {name: value for name, value in settings.items() if value}


def uv_variables(pip: dict[str, str], environment: dict[str, str]) -> dict[str, str]:
    """Return the variables of uv that say what pip's settings say, as far as the environment does not."""
    own = {"UV_SYSTEM_CERTS": "true"} | {variable: pip[name] for name, variable in UV.items() if name in pip}
    if "find-links" in pip:
        own["UV_FIND_LINKS"] = pip["find-links"].replace(" ", ",")
    if "extra-index-url" in pip:
        own["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip does: the best version of all indexes
    common = {
        "SSL_CLIENT_CERT": pip.get("client-cert"),
        "HTTPS_PROXY": pip.get("proxy"),
        "HTTP_PROXY": pip.get("proxy"),
    }
    bundles = (environment.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    common["SSL_CERT_FILE"] = pip.get("cert") or next(filter(None, bundles), None)
    given = {name: value for name, value in common.items() if value}
    return given | {name: value for name, value in own.items() if name not in environment}


if __name__ == "__main__":
    sys.stdout.write(
        " ".join(
            f"{name}={shlex.quote(value)}" for name, value in uv_variables(pip_settings(), dict(os.environ)).items()
        )
    )
