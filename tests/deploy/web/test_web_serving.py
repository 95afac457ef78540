"""The site as a process of its own: through sockets, on SQLite and on PostgreSQL, until a signal ends it."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from site_for_tests import photo

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


class Site:
    """A process that serves, and its address."""

    def __init__(self, data: Path, *arguments: str, **environment: str):
        home = data.parent / "home"
        home.mkdir(exist_ok=True)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("KERASQUEEZE", "DATABASE"))}
        self.home, self.data = home, data
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(HERE / "serve_painter.py"), str(data), *arguments],
            cwd=home,
            env={**clean, "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        found = re.search(r"Serving painter at http://127\.0\.0\.1:(\d+)/", line)
        assert found, line + self.process.communicate()[1]
        self.port = int(found[1])
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        try:
            with self.browser.open(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def send(self, path: str, data: bytes, headers: dict[str, str] | None = None, **fields: str) -> tuple[int, bytes]:
        parts = [
            f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
        ]
        head = '--x\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
        body = "".join([*parts, head]).encode() + data + b"\r\n--x--\r\n"
        return self.ask(path, body, **{"Content-Type": "multipart/form-data; boundary=x", **(headers or {})})

    def send_form(self, path: str, data: bytes) -> tuple[int, bytes]:
        """Send a photo as a browser does, with cookie and token."""
        token = re.search(rb'csrfmiddlewaretoken" value="(\w+)"', self.ask("/history/delete/")[1])
        assert token
        return self.send(path, data, csrfmiddlewaretoken=token[1].decode())

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def site(tmp_path):
    started: list[Site] = []

    def start(*arguments: str, **environment: str) -> Site:
        started.append(Site(tmp_path / "data", *arguments, **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def raw(port: int, head: str) -> bytes:
    """Send the head of a request alone; return all that comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head.encode())
        found = b""
        while part := connection.recv(1 << 16):
            found += part
    return found


def whole_way(running: Site) -> None:
    """Send photos, find them, download and delete them."""
    status, page = running.send_form("/", photo("blue"))
    assert status == 200 and b"<h1>Blue thing</h1>" in page
    assert running.send_form("/", photo("red"))[0] == 200
    assert b"1 photo for" in running.ask("/history/?q=BLUE")[1]
    status, text = running.ask("/history/history.csv")
    assert status == 200 and len(text.splitlines()) == 3
    assert json.loads(running.ask("/readyz")[1])["database"] == "ok"
    status, page = running.send_form("/history/delete/", b"")
    assert status == 200 and b"2 photos deleted" in page
    assert not list((running.data / "photos").iterdir())


def test_the_whole_way_through_a_socket_and_nothing_is_written_elsewhere(site):
    running = site()
    whole_way(running)
    large = photo("blue") + bytes(3 * 2**20)  # more than waitress and Django keep in memory by default
    status, answer = running.send("/api/v1/predict", large)
    assert status == 200 and json.loads(answer)["results"][0]["top"][0]["label"] == "blue thing"
    assert running.ask("/static/web/site.css")[0] == 200
    assert running.send("/", photo())[0] == 403  # without the token
    code, out, err = running.end()
    assert (code, out, err) == (0, "Stopped\n", "")
    assert not list(running.home.rglob("*"))
    for path in [running.data, *running.data.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_is_too_large_is_refused_before_it_is_sent_and_a_restart_changes_nothing(site):
    running = site()
    key = (running.data / "secret_key").read_text()
    assert running.send_form("/", photo())[0] == 200
    head = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b\r\nContent-Length: 99999999\r\n\r\n"
    found = raw(running.port, head.format("/api/v1/predict"))
    assert found.startswith(b"HTTP/1.1 413 ") and b"default-src 'none'" in found
    assert json.loads(found.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "too_large"
    page = raw(running.port, head.format("/"))
    assert page.startswith(b"HTTP/1.1 413 ") and b"<h1>Too large</h1>" in page
    assert raw(running.port, "NONSENSE\r\n\r\n").startswith(b"HTTP/1.0 400 ")
    # without a length: counted while it comes
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    try:
        connection.request("POST", "/api/v1/predict", (bytes(2**20) for _ in range(12)), encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):  # it hung up on the rest
        pass
    finally:
        connection.close()
    assert running.ask("/healthz")[0] == 200
    assert running.end(signal.SIGINT)[0] == 0
    again = site()
    assert (again.data / "secret_key").read_text() == key
    assert b"1 photo" in again.ask("/history/")[1]


def test_behind_a_proxy_everything_is_https_and_addresses_are_the_senders(site):
    running = site("127.0.0.1", KERASQUEEZE_TEST_RATE="2")
    secure = {"X-Forwarded-Proto": "https", "Host": "localhost"}
    found = raw(running.port, "GET /about/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert found.startswith(b"HTTP/1.0 301 ") and b"Location: https://localhost/about/" in found
    lines = "".join(f"{key}: {value}\r\n" for key, value in secure.items())
    found = raw(running.port, f"GET /about/ HTTP/1.0\r\n{lines}\r\n")
    assert b" 200 OK" in found and b"Strict-Transport-Security: max-age=31536000" in found
    assert b"https://localhost/api/v1/predict" in found
    cookie = raw(running.port, f"GET / HTTP/1.0\r\n{lines}\r\n")
    assert re.search(rb"Set-Cookie:\s+csrftoken=.*; HttpOnly; .*Secure", cookie)
    assert running.ask("/healthz")[0] == 200  # whatever watches over it comes without the proxy
    statuses = [
        running.send("/api/v1/predict", photo(), {**secure, "X-Forwarded-For": sender})[0]
        for sender in ["10.0.0.1"] * 3 + ["10.0.0.2"]
    ]
    assert statuses == [200, 200, 429, 200]
    assert running.end()[2] == ""


def test_without_a_proxy_nobody_can_claim_another_address(site):
    running = site(KERASQUEEZE_TEST_RATE="2")
    statuses = [
        running.send("/api/v1/predict", photo(), {"X-Forwarded-For": f"10.0.0.{number}"})[0] for number in range(3)
    ]
    assert statuses == [200, 200, 429]
    running.end()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense://x", "DATABASE_URL cannot be used"),
        ("postgres://web@%2Fnowhere/web", "the database cannot be used"),
        ("sqlite:////nowhere/at/all.sqlite3", "the database cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line(url, words, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": url}
    command = [sys.executable, str(HERE / "serve_painter.py"), str(tmp_path / "data")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith(f"kerasqueeze.errors.UserError: {words} ("), done.stderr


def test_a_key_that_others_may_read_stops_the_start(tmp_path):
    (tmp_path / "secret_key").write_text("k" * 86)
    (tmp_path / "secret_key").chmod(0o644)
    command = [sys.executable, str(HERE / "serve_painter.py"), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr.strip().splitlines()[-1].startswith("kerasqueeze.errors.UserError: others may read")


def test_djangos_checks_for_deployment_find_nothing_behind_a_proxy(tmp_path):
    chosen = {"KERASQUEEZE_WEB_DATA": str(tmp_path), "KERASQUEEZE_WEB_PROXY": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    words = ["django", "check", "--deploy", "--fail-level", "WARNING", "--settings", "kerasqueeze.deploy.web.settings"]
    code = f"__command__ = True; from django.core import management; management.execute_from_command_line({words})"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **chosen}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_schemathesis_finds_nothing(site):
    tool = shutil.which("schemathesis", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if tool is None:
        pytest.skip("needs schemathesis: pip install schemathesis")
    running = site()
    document = f"http://127.0.0.1:{running.port}/api/v1/openapi.json"
    command = [
        tool,
        "--config-file",
        HERE / "schemathesis.toml",
        "run",
        document,
        "--max-examples",
        "40",
        "--seed",
        "1",
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, cwd=running.home)
    assert done.returncode == 0, done.stdout
    assert running.end()[0] == 0


def _postgres() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@pytest.fixture
def postgres(tmp_path_factory):
    """Start PostgreSQL on a socket of its own; return its URL."""
    tools = _postgres()
    if tools is None:
        pytest.skip("needs PostgreSQL: apt install postgresql")
    pytest.importorskip("psycopg", reason="needs psycopg: pip install 'psycopg[binary]'")
    user = []
    if os.geteuid() == 0:  # which PostgreSQL refuses
        if not shutil.which("runuser"):
            pytest.skip("PostgreSQL does not run as root, and there is no runuser")
        user = ["runuser", "-u", "postgres", "--"]
    folder = Path(tempfile.mkdtemp(prefix="kq-pg-", dir="/tmp"))  # a socket's path must be short
    if user:
        shutil.chown(folder, "postgres")

    def run(*command: object) -> None:
        subprocess.run([*user, *map(str, command)], check=True, capture_output=True, timeout=60, cwd="/")

    run(tools / "initdb", "-D", folder / "data", "-A", "trust", "-U", "web", "--no-sync", "-E", "UTF8", "--locale=C")
    options = f"-F -c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    run(tools / "pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "-o", options, "start")
    try:
        yield f"postgres://web@{str(folder).replace('/', '%2F')}/postgres"
    finally:
        run(tools / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def test_the_whole_way_on_postgresql(site, postgres):
    running = site(DATABASE_URL=postgres)
    whole_way(running)
    assert not (running.data / "history.sqlite3").exists()
    code, _, err = running.end()
    assert (code, err) == (0, "")
