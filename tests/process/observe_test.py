"""What an operator sees of a running server and its sessions: `sluice sessions`, `sluice top`, `sluice stats`.

Figures and formats are tested in process (tests/unit/sluice, tests/unit/server); here it is that they are those of the
real server, that sessions are told exactly, and that a terminal is left as it was.
"""
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import support
from support import PASSWORD, PATIENCE, SLUICE, USER, wait_until

MESSAGE = b"Subject: a test\r\n\r\ntext\r\n"
OTHER = "other@example.net"


def run(server, *arguments):
    """(exit code, standard output, standard error) of a subcommand that asks the server."""
    command, *rest = arguments
    result = subprocess.run([SLUICE, command, "--config", server.config, *rest], capture_output=True, text=True,
                            timeout=PATIENCE, stdin=subprocess.DEVNULL)
    return result.returncode, result.stdout, result.stderr


class SessionsTest(support.TestCase):
    def sessions(self, server, *arguments):
        code, out, error = run(server, "sessions", "--json", *arguments)
        self.assertEqual((code, error), (0, ""))
        return json.loads(out)["sessions"]

    def test_each_session_is_told_with_what_it_is_at(self):
        server = self.server(shards=2, users=((USER, PASSWORD, ()), (OTHER, PASSWORD, ())))
        with contextlib.ExitStack() as stack:
            silent = stack.enter_context(server.raw())
            silent.expect(220)
            greeted = stack.enter_context(server.client(user=None))
            idle = stack.enter_context(server.client("implicit"))
            for _ in range(3):
                idle.submit(MESSAGE)
            inside = stack.enter_context(server.client(user=OTHER))
            inside.command(f"MAIL FROM:<{OTHER}>", 250)
            receiving = stack.enter_context(server.client())
            for command, code in ((f"MAIL FROM:<{USER}>", 250), ("RCPT TO:<bob@example.org>", 250), ("DATA", 354)):
                receiving.command(command, code)
            shaking = stack.enter_context(socket.create_connection(("127.0.0.1", server.implicit_port), PATIENCE))
            wait_until(lambda: server.stats()["sessions"]["handshaking"] == 1, "the last one is there")

            everybody = {client.getsockname()[1]: state for client, state in (
                (silent.socket, "connected"), (greeted.socket, "greeted"), (idle.socket, "authenticated"),
                (inside.socket, "transaction"), (receiving.socket, "data"), (shaking, "handshaking"))}
            listed = self.sessions(server)
            self.assertEqual({session["port"]: session["state"] for session in listed}, everybody)
            states = {state: count for state, count in server.stats()["sessions"].items() if count}
            self.assertEqual(states, {state: 1 for state in everybody.values()})

            by_port = {session["port"]: session for session in listed}
            one = by_port[idle.socket.getsockname()[1]]
            self.assertEqual((one["address"], one["login"], one["messages"]), ("127.0.0.1", USER, 3))
            self.assertEqual((one["tls_protocol_version"], one["tls_cipher"]), ("TLSv1.3", idle.socket.cipher()[0]))
            self.assertTrue(0 <= one["idle_seconds"] <= one["age_seconds"] + 0.1 < PATIENCE, one)
            self.assertIn(one["id"], [event["session_id"] for event in server.wait_events("Reception", 3)])
            self.assertEqual(int(one["id"][:4], 16), one["shard"])
            self.assertEqual(by_port[silent.socket.getsockname()[1]]["tls_protocol_version"], "")

            for arguments, wanted in ((["--login", OTHER.upper()], ["transaction"]),
                                      (["--state", "data"], ["data"]),
                                      (["--address", f"127.0.0.1:{one['port']}"], ["authenticated"]),
                                      (["--address", "127.0.0.2"], []),
                                      (["--id", one["id"]], ["authenticated"]),
                                      (["--login", USER, "--state", "greeted"], [])):
                self.assertEqual([session["state"] for session in self.sessions(server, *arguments)], wanted, arguments)
            for shard in (0, 1):
                self.assertEqual([session["id"] for session in self.sessions(server, "--shard", str(shard))],
                                 [session["id"] for session in listed if session["shard"] == shard])

            code, out, _ = run(server, "sessions", "--login", USER)
            lines = out.splitlines()
            self.assertEqual(code, 0)
            self.assertEqual(lines[0].split(), ["ID", "SHARD", "STATE", "AGE", "IDLE", "MESSAGES", "TLS", "ADDRESS", "LOGIN"])
            self.assertEqual(len(lines), 3)
            self.assertEqual(run(server, "sessions", "--login", "nobody@example.net")[:2], (0, "There is no such session.\n"))

    def test_many_are_told_page_by_page(self):
        count = 300
        port = support.free_port()
        server = self.server(listeners=[(f"127.0.0.1:{port}", "plain")], shards=2)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE)) for _ in range(count)]
            ports = sorted(client.getsockname()[1] for client in clients)
            wait_until(lambda: server.stats()["connections_open"] == count, "all are there")
            self.assertEqual(sorted(session["port"] for session in self.sessions(server, "--limit", "0")), ports)
            told, after = [], ""
            while True:  # slots, not sessions, are looked at: no page may lose or repeat one
                page = json.loads(server.admin(f"/v1/sessions?limit=7{after}"))
                self.assertLessEqual(len(page["sessions"]), 7)
                told += [session["port"] for session in page["sessions"]]
                if "next" not in page:
                    break
                after = "&after=" + page["next"]
            self.assertEqual(sorted(told), ports)
            code, out, _ = run(server, "sessions", "--json", "--limit", "7")
            self.assertEqual((len(json.loads(out)["sessions"]), json.loads(out)["more"]), (7, True))
            code, out, _ = run(server, "sessions", "--json", "--limit", str(count))
            self.assertEqual((len(json.loads(out)["sessions"]), json.loads(out)["more"]), (count, False))
            self.assertIn("There are more", run(server, "sessions")[1])

    def test_a_wrong_filter_is_named(self):
        server = self.server(shards=2)
        for arguments, words in ((["--state", "asleep"], "state: 'asleep': expected connected, handshaking"),
                                 (["--shard", "2"], "shard: '2': expected 0 to 1"),
                                 (["--address", "localhost"], "address: 'localhost': expected a numeric address"),
                                 (["--id", "7"], "id: '7': expected the 16 hexadecimal digits"),
                                 (["--end"], "a login, an address or an id"),
                                 (["--end", "--state", "data"], "a login, an address or an id")):
            code, out, error = run(server, "sessions", *arguments)
            self.assertEqual((code, out), (64, ""), arguments)
            self.assertIn(words.lower(), error.lower())
        self.assertEqual(server.stop(), 0)
        code, _, error = run(server, "sessions")
        self.assertEqual(code, 69)
        self.assertIn("is `sluice serve` running", error)

    def test_sessions_are_ended(self):
        server = self.server(shards=2, users=((USER, PASSWORD, ()), (OTHER, PASSWORD, ())))
        with server.client() as one, server.client("implicit") as two, server.client(user=OTHER) as spared:
            two.command(f"MAIL FROM:<{USER}>", 250)
            self.assertEqual(run(server, "sessions", "--end", "--login", USER)[:2], (0, "2 sessions ended\n"))
            for client in (one, two):
                client.expect("421 4.3.2 Session ended by the operator")
                self.assertIsNone(client.reply())
            spared.submit(MESSAGE, sender=OTHER)
            wait_until(lambda: server.stats()["connections_open"] == 1, "they are gone")
            session = self.sessions(server)[0]
            self.assertEqual(run(server, "sessions", "--end", "--json", "--id", session["id"])[:2], (0, '{"ended":1}\n'))
            spared.expect("421 4.3.2")
        self.assertEqual(run(server, "sessions", "--end", "--login", USER)[:2], (0, "0 sessions ended\n"))


class TopTest(support.TestCase):
    def test_one_frame_for_scripts(self):
        server = self.server(shards=2)
        with server.client() as client:
            began = subprocess.Popen([SLUICE, "top", "--once", "--interval", "2", "--config", server.config],
                                     stdout=subprocess.PIPE, text=True)
            turns = server.stats()["loop_turns_total"]
            while began.poll() is None:
                client.submit(MESSAGE)
            with began:
                lines = began.stdout.read().splitlines()
            self.assertGreater(server.stats()["loop_turns_total"], turns)
        self.assertEqual(began.returncode, 0)
        self.assertEqual(len(lines), 5)
        self.assertIn("over 2.", lines[0])
        titles = lines[1].split()
        rows = [dict(zip(titles, line.split())) for line in lines[2:]]
        self.assertEqual([row["SHARD"] for row in rows], ["all", "0", "1"])
        self.assertEqual(rows[0]["CONNS"], "1")
        self.assertGreater(int(rows[0]["MSG/s"]), 0)
        self.assertEqual(int(rows[1]["CONNS"]) + int(rows[2]["CONNS"]), 1)
        self.assertRegex(rows[0]["SYNC99"], r"^\d+(\.\d)?(us|ms|s)$")

    def test_needs_a_terminal(self):
        server = self.server()
        code, out, error = run(server, "top")
        self.assertEqual((code, out), (64, ""))
        self.assertIn("--once", error)
        self.assertEqual(server.stop(), 0)
        self.assertEqual(run(server, "top", "--once")[0], 69)

    def test_the_terminal_is_obeyed_and_left_as_it_was(self):
        server = self.server(shards=2)
        for end in (b"q", b"\x03", signal.SIGTERM):
            with self.subTest(end=end):
                self.watch(server, end)

    def watch(self, server, end):
        master, slave = pty.openpty()
        try:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
            before = termios.tcgetattr(slave)
            top = subprocess.Popen([SLUICE, "top", "--interval", "0.2", "--config", server.config], stdin=slave, stdout=slave,
                                   stderr=slave, start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            said = b""

            def hear(wanted):
                nonlocal said
                deadline = time.monotonic() + PATIENCE
                while not wanted(said):
                    self.assertLess(time.monotonic(), deadline, said)
                    if select.select([master], [], [], 0.1)[0]:
                        said += os.read(master, 65536)

            hear(lambda text: text.count(b"\x1b[H") >= 3)
            self.assertIn(b"\x1b[?1049h", said)
            frame = said.split(b"\x1b[H")[2].split(b"\x1b[J")[0]
            lines = [line.strip(b"\r").replace(b"\x1b[K", b"").decode() for line in frame.split(b"\n")]
            self.assertEqual([line.split()[0] for line in lines[1:]], ["SHARD", "all", "0", "1"])
            self.assertLessEqual(max(map(len, lines)), 50)
            self.assertNotIn("STALLS", frame.decode())

            said = b""
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 250, 0, 0))
            hear(lambda text: b"STALLS" in text)

            if isinstance(end, bytes):
                os.write(master, end)
            else:
                top.send_signal(end)
            hear(lambda text: text.endswith(b"\x1b[?1049l"))
            self.assertEqual(top.wait(PATIENCE), 0)
            self.assertEqual(termios.tcgetattr(slave), before)
        finally:
            os.close(master)
            os.close(slave)


if __name__ == "__main__":
    support.main()
