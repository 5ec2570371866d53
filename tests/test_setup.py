"""The set-up behind a proxy that opens TLS: the Makefile's uv connects with the settings of pip, and with no others."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("make") is None, reason="make is needed"),
]

ROOT = Path(__file__).parent.parent
HOST = "index.test"  # in no name server, only in the proxy
INDEX = f"https://{HOST}/simple/"
WHEEL = "tiny_example-1.0-py3-none-any.whl"
Install = Callable[..., dict[str, tuple[int, str]]]
FOREIGN = ("PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_", "HTTP", "http", "ALL_", "all_", "NO_", "no_", "MAKE", "MFLAGS")


def signed(folder: Path, name: str, issuer: str, *, ca: bool) -> None:
    """Write the certificate and the key of a name, signed by another that is written there, or by itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    issuer_key = folder / f"{issuer}.key"
    signs = key if name == issuer else serialization.load_pem_private_key(issuer_key.read_bytes(), None)
    assert isinstance(signs, ec.EllipticCurvePrivateKey)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= {"encipher_only": False, "decipher_only": False, "digital_signature": not ca}
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, key_cert_sign=ca, crl_sign=ca), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(signs, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(key.private_bytes(*plain))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificates of two authorities, and of a host that the first signed."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("office.test", "elsewhere.test"):
        signed(folder, name, name, ca=True)
    signed(folder, HOST, "office.test", ca=False)
    return folder


@pytest.fixture(scope="module")
def proxy(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A proxy that answers in the place of every host, with a certificate of its own: an index of one wheel."""
    wheel = tmp_path_factory.mktemp("wheels") / WHEEL
    with zipfile.ZipFile(wheel, "w") as archive:
        about = "tiny_example-1.0.dist-info"
        archive.writestr("tiny_example.py", "")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-example\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", f"tiny_example.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n")
    pages = {
        "/simple/tiny-example/": ("text/html", f'<!DOCTYPE html><a href="/{WHEEL}">{WHEEL}</a>'.encode()),
        f"/{WHEEL}": ("application/zip", wheel.read_bytes()),
    }
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{HOST}.pem", certificates / f"{HOST}.key")

    class Inspecting(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                self.connection = context.wrap_socket(self.connection, server_side=True)
            except OSError:  # a client that does not trust the certificate
                self.close_connection = True
                return
            self.close_connection = False  # though pip asks for a tunnel in HTTP/1.0
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

        def do_GET(self) -> None:
            kind, body = pages.get(self.path, ("", b""))
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Inspecting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install the wheel by pip, and as the Makefile does, in an environment that has these settings alone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    makefile, target = tmp_path / "try.mk", ["--no-deps", "--target"]
    words = ["pip", "install", "--no-cache", *target, f"{tmp_path}/uv", "tiny-example"]
    makefile.write_text(f"include Makefile\ntry:\n\t@$(UV) {' '.join(words)}\n")
    venv = Path(sys.executable).parents[1]
    pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--retries", "0"]
    commands = {
        "pip": [*pip, *target, f"{tmp_path}/pip", "tiny-example"],
        "uv": ["make", "-f", str(makefile), "try", f"PYTHON={sys.executable}", f"VENV={venv}"],
    }

    def both(settings: dict[str, str], config: str = "[global]\n") -> dict[str, tuple[int, str]]:
        (tmp_path / "pip.conf").write_text(config)
        own = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "UV_NO_CONFIG": "1"}
        outcomes = {}
        for name, command in commands.items():
            environment = {**inherited, **own, **settings}
            completed = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            outcomes[name] = (min(completed.returncode, 1), completed.stdout + completed.stderr)
        return outcomes

    return both


@pytest.mark.parametrize("source", ["variables", "pip.conf", "variables beside another bundle", "a second index"])
def test_uv_connects_where_pip_does(install: Install, certificates: Path, proxy: str, source: str):
    values = {"cert": str(certificates / "office.test.pem"), "proxy": proxy, "index-url": INDEX}
    settings = {f"PIP_{key.upper().replace('-', '_')}": value for key, value in values.items()}
    config = "[global]\n"
    if source == "pip.conf":
        settings, config = {}, config + "".join(f"{key} = {value}\n" for key, value in values.items())
    elif source == "a second index":
        settings |= {"PIP_INDEX_URL": f"https://{HOST}/empty/", "PIP_EXTRA_INDEX_URL": INDEX}
    elif source != "variables":
        settings["SSL_CERT_FILE"] = str(certificates / "elsewhere.test.pem")
    for name, (code, output) in install(settings, config).items():
        assert code == 0, f"{name}: {output}"
        assert "warning" not in output.lower(), f"{name}: {output}"


def test_neither_trusts_an_unnamed_certificate(install: Install, certificates: Path, proxy: str):
    settings = {"PIP_CERT": str(certificates / "elsewhere.test.pem"), "PIP_PROXY": proxy, "PIP_INDEX_URL": INDEX}
    for name, (code, output) in install(settings).items():
        assert code and "certificate" in output.lower(), f"{name}: {output}"
