"""What the process tests share: the real programs in a folder of their own, a raw client, a next hop to order.

    class SomeTest(support.TestCase):
        def test_something(self):
            sink = self.sink()                                   # sluice-load sink: takes and stores
            server = self.server(next_hop=[sink.address])        # sluice serve, ready
            with server.client() as client:                      # TLS and AUTH done
                client.submit(b"Subject: x\\r\\n\\r\\ntext\\r\\n")
            self.assertIn(b"text", sink.wait_messages(1)[0].body)

Everything is started below $SLUICE_BUILD/process, on ports found free, and is stopped by its own process id when the
test ends, however it ends. A test that fails prints the end of each program's log. Waiting is always for something,
with a bound, never for a time alone.

Nothing but Python's standard library is used. Run one file alone with
`SLUICE=... SLUICE_LOAD=... SLUICE_BUILD=build/dev python3 tests/process/smtp_test.py -v [Class.test]`.
"""
import base64
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SLUICE = os.environ["SLUICE"]
SLUICE_LOAD = os.environ["SLUICE_LOAD"]
BUILD = pathlib.Path(os.environ["SLUICE_BUILD"]).resolve()
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent

HOSTNAME = "submit.example.net"
USER = "alice@example.net"
PASSWORD = "correct horse"
SENDER = USER
RECIPIENT = "bob@example.org"
IS_ROOT = os.geteuid() == 0
PATIENCE = 30  # seconds to wait for anything that should be there at once; a loaded machine is slow


# --- small things -----------------------------------------------------------------------------------------------

_given_ports = set()


def free_port(host="127.0.0.1"):
    """Below the range that the kernel gives to outgoing connections, so that none of those takes it meanwhile."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket(family) as trial:
            try:
                trial.bind((host, port))
            except OSError:
                continue
        if port not in _given_ports:
            _given_ports.add(port)
            return port


def page_data(file):
    """The figures in a page of sluice-load."""
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', file.read_text(), re.DOTALL).group(1)
    return json.loads(data)


def wait_until(condition, what, seconds=PATIENCE, step=0.02):
    """The first true value of condition(); an AssertionError that names `what` when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(step)


def sasl_plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def trusting_context(**bounds):
    """A TLS client that takes any certificate: what is tested is the server, not the path to a root."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in bounds.items():
        setattr(context, name, value)
    return context


def toml(value):
    """Enough TOML: words, numbers, truth, lists."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, str, pathlib.Path)):
        return str(value) if isinstance(value, int) else json.dumps(str(value))
    return "[" + ", ".join(toml(item) for item in value) + "]"


# --- the programs ------------------------------------------------------------------------------------------------


class Program:
    """A child process whose output goes to files beside it. It never outlives the test."""

    def __init__(self, name, command, folder, preexec=None, env=None):
        self.name = name
        self.out = folder / f"{name}.out"
        self.err = folder / f"{name}.err"
        with open(self.out, "ab") as out, open(self.err, "ab") as err:
            self.out_start, self.err_start = out.tell(), err.tell()
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            cwd=folder, preexec_fn=preexec, env=env)

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        """Of this run of the program."""
        return self.out.read_bytes()[self.out_start:].decode(errors="replace")

    def errors(self):
        return self.err.read_bytes()[self.err_start:].decode(errors="replace")

    def running(self):
        return self.process.poll() is None

    def wait_ready(self, seconds=PATIENCE):
        def ready():
            if not self.running():
                raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.errors()}")
            return re.search(r"^ready", self.output(), re.MULTILINE)
        wait_until(ready, f"{self.name} says ready", seconds)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=PATIENCE):
        """Its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {seconds} s") from None

    def stop(self, seconds=PATIENCE):
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        """As a crash would: SIGKILL."""
        self.signal(signal.SIGKILL)
        self.wait()

    def cleanup(self):
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def tail(self):
        def last_lines(path):
            return "\n".join(path.read_text(errors="replace").splitlines()[-25:])
        return f"--- {self.name}: standard error\n{last_lines(self.err)}\n--- standard output\n{last_lines(self.out)}"


class Message:
    """What a next hop got: the envelope, and the content as the sender meant it (dots unstuffed)."""

    def __init__(self, sender, recipients, content, tls=False):
        self.sender, self.recipients, self.content, self.tls = sender, recipients, content, tls

    @property
    def header(self):
        return self.content.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self):
        return self.content.partition(b"\r\n\r\n")[2]


def parse_path(line):
    """'MAIL FROM:<a@b> SIZE=3' -> 'a@b'."""
    return re.match(r"[^<]*<([^>]*)>", line).group(1)


class Sink(Program):
    """sluice-load sink, which takes every message and keeps it."""

    def __init__(self, test, *options, name="sink", host="127.0.0.1", port=None, store=True, ledger=True):
        self.port = port or free_port(host)
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.folder = test.folder / f"{name}.store"
        self.ledger_file = test.folder / f"{name}.ledger"
        command = [SLUICE_LOAD, "sink", "--listen", self.address]
        if store:
            command += ["--store", self.folder]
        if ledger:
            command += ["--ledger", self.ledger_file]
        super().__init__(name, [*command, *options], test.folder)

    def messages(self):
        found = []
        for path in sorted(self.folder.glob("*.eml"), key=lambda path: int(path.stem)):
            envelope = path.with_suffix(".env").read_text().splitlines()
            found.append(Message(parse_path(envelope[0]), [parse_path(line) for line in envelope[1:]],
                                 path.read_bytes()))
        return found

    def wait_messages(self, count, seconds=PATIENCE):
        """All messages once there are `count`."""
        wait_until(lambda: len(list(self.folder.glob("*.eml"))) >= count,
                   lambda: f"{count} messages at {self.name}; it has {len(self.messages())}", seconds)
        return self.messages()

    def ledger(self):
        """The numbers of the messages it took, in order, repetitions too."""
        return read_ledger(self.ledger_file)


def read_ledger(path):
    if not path.exists():
        return []
    text = path.read_text()
    return [line.split()[0] for line in text.splitlines() if line]


class Server(Program):
    """sluice serve with its folder. Made by TestCase.server."""

    def __init__(self, site, preexec=None, wrapper=()):
        self.site = site
        super().__init__(site.name, [*wrapper, SLUICE, "serve", "--config", site.config], site.folder, preexec)

    def __getattr__(self, name):  # ports, folders, client(): the site's
        return getattr(self.site, name)


class Site:
    """A configuration with its folders, certificate and user, made by `sluice init`; servers come and go on it."""

    def __init__(self, test, name="serve", users=((USER, PASSWORD, ()),), **settings):
        self.test = test
        self.name = name
        self.folder = test.folder / f"{name}.d"
        self.config = self.folder / "sluice.toml"
        self.spool = self.folder / "spool"
        self.state = self.folder / "state"
        self.log = self.folder / "log"
        self.starttls_port = free_port()
        self.implicit_port = free_port()
        self.plain_port = free_port()
        account = settings.pop("account", "root")
        run_as = ["--run-as", account] if IS_ROOT else []
        subprocess.run([SLUICE, "init", "--dir", self.folder, "--hostname", HOSTNAME, "--next-hop", "127.0.0.1:25",
                        "--listen-starttls", f"127.0.0.1:{self.starttls_port}", *run_as],
                       check=True, stdout=subprocess.DEVNULL)
        self.log.mkdir()
        if IS_ROOT:
            shutil.chown(self.log, account)
        self.account = account if IS_ROOT else None
        self.write_config(**settings)
        for user, password, options in users:
            self.add_user(user, password, *options)

    def write_config(self, next_hop=(), shards=1, listeners=None, top=None, **tables):
        """Keyword arguments are tables: limits={"recipients": 3}, or lists of them: tenant=[{"name": "acme"}]. The certificate is
        the one that init made."""
        if listeners is None:
            listeners = [(f"127.0.0.1:{self.starttls_port}", "starttls"),
                         (f"127.0.0.1:{self.implicit_port}", "implicit")]
        defaults = {
            "auth": {"mechanisms": ["PLAIN", "LOGIN"], "failure_delay": "50ms", "failure_jitter": "10ms"},
            "queue": {"retry_min": "1s", "retry_max": "2s", "segment_bytes": 4 << 20, "spool_reserve": 0},
            "limits": {"shutdown_grace": "5s"},
            "relay": {"next_hop": list(next_hop) or ["discard"]},
        }
        lines = [f"hostname = {toml(HOSTNAME)}", 'state_dir = "state"', 'spool_dir = "spool"', 'log_dir = "log"',
                 f"shards = {shards}"]
        if self.account:
            lines.append(f"user = {toml(self.account)}")
        lines += [f"{key} = {toml(value)}" for key, value in (top or {}).items()]
        for address, mode, *more in listeners:
            lines += ["[[listener]]", f"address = {toml(address)}", f"mode = {toml(mode)}"]
            lines += [f"{key} = {toml(value)}" for key, value in (more[0] if more else {}).items()]
        lines += ["[[certificate]]", 'chain = "cert.pem"', 'key = "key.pem"']
        for table in defaults | tables:
            given = tables.get(table, {})
            several = isinstance(given, list)
            for keys in given if several else [defaults.get(table, {}) | given]:
                lines.append(f"[[{table}]]" if several else f"[{table}]")
                lines += [f"{key} = {toml(value)}" for key, value in keys.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def add_user(self, user, password, *options):
        subprocess.run([SLUICE, "user", "add", user, "--config", self.config, "--password-stdin", *options],
                       input=password.encode(), check=True, stdout=subprocess.DEVNULL)

    def start(self, ready=True, preexec=None, wrapper=(), seconds=PATIENCE):
        """A new server process on this site."""
        server = Server(self, preexec, wrapper)
        self.test.programs.append(server)
        if ready:
            server.wait_ready(seconds)
        return server

    def serve_and_fail(self):
        """(exit code, what it said) of a serve that must not come up."""
        result = subprocess.run([SLUICE, "serve", "--config", self.config], capture_output=True, text=True,
                                timeout=PATIENCE, stdin=subprocess.DEVNULL)
        return result.returncode, result.stderr

    # --- looking inside ---

    def admin(self, target, expect=200):
        """The body of a GET on the admin UNIX socket."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        with contextlib.closing(connection):
            connection.sock.connect(str(self.state / "admin.sock"))
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read().decode()
        assert response.status == expect, f"{target}: {response.status} {body}"
        return body

    def stats(self):
        return json.loads(self.admin("/v1/stats"))["total"]

    def queue(self, limit=1000):
        return json.loads(self.admin(f"/v1/queue?limit={limit}"))["messages"]

    def wait_queue_empty(self, seconds=PATIENCE):
        # Of a server that has just started the counters may be behind; the listing never is.
        wait_until(lambda: self.stats()["messages_queued"] == 0 and not self.queue(1),
                   lambda: f"an empty queue; there are {self.stats()['messages_queued']}: {self.queue(3)}", seconds)

    def event_lines(self):
        lines = []
        for path in sorted(self.log.glob("events-*.jsonl")):
            lines += path.read_bytes().splitlines()
        return lines

    def events(self, kind=None):
        found = [json.loads(line) for line in self.event_lines()]
        return [event for event in found if kind in (None, event["type"])]

    def wait_events(self, kind, count=1, seconds=PATIENCE):
        """Lines are written within about a second."""
        wait_until(lambda: len(self.events(kind)) >= count, f"{count} {kind} events in the log", seconds)
        return self.events(kind)

    # --- clients ---

    def raw(self, mode="starttls", **options):
        """A connection of which nothing has been read."""
        port = {"starttls": self.starttls_port, "implicit": self.implicit_port, "plain": self.plain_port}[mode]
        return Client(port, implicit=mode == "implicit", **options)

    def client(self, mode="starttls", user=USER, password=PASSWORD, **options):
        """A connection that has said EHLO, has TLS, and has logged in where `user` is given."""
        client = self.raw(mode, **options)
        try:
            client.expect(220)
            client.command("EHLO client.example", 250)
            if mode == "starttls":
                client.starttls()
                client.command("EHLO client.example", 250)
            if user:
                client.command("AUTH PLAIN " + sasl_plain(user, password), 235)
        except BaseException:
            client.close()
            raise
        return client


# --- a client that says what it is told --------------------------------------------------------------------------


class Client:
    """An SMTP client of octets and lines. EOF is an answer: lines() ends, reply() is None."""

    def __init__(self, port, host="127.0.0.1", implicit=False, timeout=PATIENCE, context=None, source=None):
        self.context = context or trusting_context()
        self.socket = socket.create_connection((host, port), timeout, (source, 0) if source else None)
        self.buffer = b""
        if implicit:
            self.handshake()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def handshake(self):
        self.socket = self.context.wrap_socket(self.socket, server_hostname=HOSTNAME)

    def starttls(self):
        self.command("STARTTLS", 220)
        assert self.buffer == b"", f"said in clear behind the 220: {self.buffer}"
        self.handshake()

    def send(self, octets):
        self.socket.sendall(octets)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST: what a crashed client's kernel does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def line(self):
        """The next line without its end; None at the end of the connection."""
        while b"\r\n" not in self.buffer:
            try:
                more = self.socket.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                more = b""
            if not more:
                assert self.buffer == b"", f"half a line before the end: {self.buffer}"
                return None
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("latin-1")

    def reply(self):
        """All lines of the next reply; None at the end."""
        lines = []
        while True:
            line = self.line()
            if line is None:
                assert not lines, f"half a reply before the end: {lines}"
                return None
            lines.append(line)
            if line[3:4] != "-":
                return lines

    def expect(self, code):
        """The lines of the next reply, which must begin with `code`: a number, or the start of the line."""
        lines = self.reply()
        assert lines is not None, f"the server closed; expected {code}"
        assert lines[-1].startswith(str(code)), f"expected {code}, got {lines}"
        return lines

    def expect_end(self):
        lines = self.reply()
        assert lines is None, f"expected the end, got {lines}"

    def command(self, text, code):
        self.send(text.encode("latin-1") + b"\r\n")
        return self.expect(code)

    def begin(self, recipients=(RECIPIENT,), sender=SENDER):
        """A transaction, to the point where 354 has come."""
        self.command(f"MAIL FROM:<{sender}>", 250)
        for recipient in recipients:
            self.command(f"RCPT TO:<{recipient}>", 250)
        self.command("DATA", 354)

    def submit(self, content, recipients=(RECIPIENT,), sender=SENDER):
        """Sends a message; the queue id of the 250."""
        self.begin(recipients, sender)
        self.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
        return self.expect("250 2.0.0 Ok: queued as ")[0].rsplit(" ", 1)[1]


# --- a next hop that does as it is told ----------------------------------------------------------------------------


class Hangup(Exception):
    """Raised by a rule: the connection is closed; with RST when `reset`; only our side of it when `half`."""

    def __init__(self, reset=False, half=False):
        super().__init__()
        self.reset, self.half = reset, half


class Hop:
    """An SMTP server of a few lines whose every answer can be ordered.

    rule(event, text, hop) is asked first at each "connect", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "." (a whole
    message; text is the Message), "RSET", "QUIT", and "body" (at each block of a message received; a line is sent at
    once, before the message has ended). It gives a reply line without CR LF, or octets that are sent as they are, or
    None for the good reply; it may wait, and it may raise Hangup. What is answered 2xx at "." is in `messages`.
    """

    GOOD = {"connect": "220 hop.example ESMTP", "MAIL": "250 2.1.0 Ok", "RCPT": "250 2.1.5 Ok",
            "DATA": "354 Go on", ".": "250 2.0.0 Ok", "RSET": "250 2.0.0 Ok", "QUIT": "221 2.0.0 Bye",
            "STARTTLS": "220 2.0.0 Ready"}

    def __init__(self, rule=None, port=None, host="127.0.0.1", extensions=("PIPELINING", "8BITMIME", "SIZE"),
                 tls=None):
        self.rule = rule or (lambda event, text, hop: None)
        self.extensions = extensions
        self.tls = tls  # (certificate, key), or a context: offers STARTTLS
        self.messages = []
        self.connections = 0
        self.port = port or free_port(host)
        self.address = f"{host}:{self.port}"
        self.lock = threading.Lock()
        self.open = set()
        self.ending = False
        self.listener = socket.create_server((host, self.port), backlog=128)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def wait_messages(self, count, seconds=PATIENCE):
        wait_until(lambda: len(self.messages) >= count,
                   lambda: f"{count} messages at the next hop; it has {len(self.messages)}", seconds)
        return list(self.messages)

    def close(self):
        """Stops listening and drops every connection."""
        self.ending = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while not self.ending:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self._converse(connection)
        except Hangup as hangup:
            with contextlib.suppress(OSError):
                if hangup.reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                if hangup.half:
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
        except (OSError, ssl.SSLError, EOFError):
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def _converse(self, connection, tls=False):
        buffer = b""

        def send(line):
            connection.sendall(line if isinstance(line, bytes) else line.encode("latin-1") + b"\r\n")

        def read_line():
            nonlocal buffer
            while b"\r\n" not in buffer:
                more = connection.recv(65536)
                if not more:
                    raise EOFError
                buffer += more
            line, _, buffer = buffer.partition(b"\r\n")
            return line.decode("latin-1")

        def read_content():
            nonlocal buffer
            data = b"\r\n" + buffer
            while (end := data.find(b"\r\n.\r\n")) < 0:
                if early := self.rule("body", "", self):
                    send(early)
                more = connection.recv(65536)
                if not more:
                    raise EOFError
                data += more
            buffer = data[end + 5:]
            return data[:end + 2].replace(b"\r\n..", b"\r\n.")[2:]

        def answer(event, text=""):
            line = self.rule(event, text, self) or self.GOOD[event]
            send(line)
            return line[:1] in ("2", "3", b"2", b"3")

        if not tls and not answer("connect"):
            return
        sender, recipients = None, []
        while True:
            line = read_line()
            verb = line.split(" ", 1)[0].split(":", 1)[0].upper()
            if verb in ("EHLO", "HELO"):
                refusal = self.rule("EHLO", line, self)
                lines = ["hop.example", *self.extensions] + (["STARTTLS"] if self.tls and not tls else [])
                reply = [f"250-{text}" for text in lines[:-1]] + [f"250 {lines[-1]}"]
                send(refusal or "\r\n".join(reply))
            elif verb == "STARTTLS":
                if answer("STARTTLS"):
                    context = self.tls
                    if not isinstance(context, ssl.SSLContext):
                        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                        context.load_cert_chain(*self.tls)
                    with context.wrap_socket(connection, server_side=True) as secure:
                        with self.lock:
                            self.open.add(secure)
                        try:
                            return self._converse(secure, tls=True)
                        finally:
                            with self.lock:
                                self.open.discard(secure)
            elif verb == "MAIL":
                sender = parse_path(line) if answer("MAIL", line) else None
                recipients = []
            elif verb == "RCPT":
                if sender is None:
                    send("503 5.5.1 MAIL first")
                elif answer("RCPT", line):
                    recipients.append(parse_path(line))
            elif verb == "DATA":
                if not recipients:
                    connection.sendall(b"554 5.5.1 No valid recipients\r\n")
                elif answer("DATA"):
                    message = Message(sender, recipients, read_content(), tls)
                    if answer(".", message):
                        with self.lock:
                            self.messages.append(message)
                    recipients = []
            elif verb == "RSET":
                answer("RSET")
            elif verb == "QUIT":
                answer("QUIT")
                return
            else:
                connection.sendall(b"500 5.5.1 What?\r\n")


# --- the test case -------------------------------------------------------------------------------------------------


class TestCase(unittest.TestCase):
    """Gives each test a folder, and stops and tells about what it started."""

    maxDiff = 4000
    _count = itertools.count()

    def setUp(self):
        base = BUILD / "process"
        base.mkdir(exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{type(self).__name__}-", dir=base))
        self.folder.chmod(0o755)
        self.programs = []
        self.addCleanup(self._remove_folder)
        self.addCleanup(self._stop_programs)

    def _stop_programs(self):
        if self._failed_so_far():
            for program in self.programs:
                print(program.tail(), file=sys.stderr)
        for program in reversed(self.programs):
            program.cleanup()

    def _failed_so_far(self):
        """Asks the result: a cleanup has an outcome of its own, which says nothing of the test before it."""
        result = self._outcome.result
        return any(self in (test, getattr(test, "test_case", None)) for test, _ in result.failures + result.errors)

    def _remove_folder(self):
        if os.environ.get("SLUICE_KEEP") is None:
            shutil.rmtree(self.folder)

    def site(self, name="serve", **settings):
        return Site(self, name, **settings)

    def server(self, name="serve", preexec=None, **settings):
        return self.site(name, **settings).start(preexec=preexec)

    def sink(self, *options, **settings):
        sink = Sink(self, *options, **settings)
        self.programs.append(sink)
        sink.wait_ready()
        return sink

    def hop(self, *arguments, **settings):
        hop = Hop(*arguments, **settings)
        self.addCleanup(hop.close)
        return hop

    def run_load(self, *options, name="load"):
        """sluice-load in the background: a Program."""
        program = Program(name, [SLUICE_LOAD, *options], self.folder)
        self.programs.append(program)
        return program


def main():
    unittest.main(verbosity=2)
