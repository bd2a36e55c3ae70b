"""The dialogue over real sockets: the scripts of tests/dialogs, and what hostile or broken peers do.

What the session answers is tested in process (tests/unit/smtp); here it is that the same answers come through the
ring, TLS and the shards, that bounds in time and number hold, and that monitors and the event log tell the truth.
"""
import fnmatch
import http.client
import json
import os
import re
import select
import socket
import ssl
import statistics
import time
import unittest

import support
from support import HOSTNAME, IS_ROOT, PASSWORD, RECIPIENT, SENDER, SOURCE, USER, sasl_plain, trusting_context, wait_until

MESSAGE = b"Subject: a test\r\n\r\ntext\r\n"


# --- tests/dialogs ------------------------------------------------------------------------------------------------


def unescape(text):
    return re.sub(rb"\\(x..|.)", lambda match: {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0"}.get(
        match[1], bytes.fromhex(match[1][1:].decode()) if match[1][:1] == b"x" else match[1]), text.encode("latin-1"))


def read_dialog(path):
    """The setup, and steps (line number, kind, text); adjoining C lines are one."""
    setup, steps = None, []
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        kind, _, text = line.partition(" ")
        if kind == "setup:":
            setup = text
        elif kind in ("C:", "C>"):
            octets = text.encode("latin-1") + b"\r\n" if kind == "C:" else unescape(text)
            if steps and steps[-1][1] == "C":
                octets = steps.pop()[2] + octets
            steps.append((number, "C", octets))
        elif kind != "pieces:":
            steps.append((number, kind[0], text))
    return setup, steps


def matches(pattern, text):
    """`*` stands for any text, nothing else for anything but itself."""
    return fnmatch.fnmatchcase(text, re.sub(r"([?\[])", r"[\1]", pattern))


class DialogTest(support.TestCase):
    def test_every_script_over_sockets(self):
        plain = support.free_port()
        site = self.site(users=[("alice@example.net", "secret", ("--domain", "example.net"))])
        site.plain_port = plain
        site.write_config(
            listeners=[(f"127.0.0.1:{site.starttls_port}", "starttls"), (f"127.0.0.1:{site.implicit_port}", "implicit"),
                       (f"127.0.0.1:{plain}", "plain", {"mechanisms_clear": ["PLAIN", "LOGIN"]})],
            limits={"message_bytes": 10000, "recipients": 3})
        site.start()
        scripts = sorted((SOURCE / "tests" / "dialogs").glob("*.dialog"))
        self.assertGreater(len(scripts), 10)
        for script in scripts:
            setup, steps = read_dialog(script)
            if setup == "rfc4954":  # mechanisms that no server of ours has
                continue
            with self.subTest(script=script.name):
                self.converse(site, setup, steps)

    def converse(self, site, setup, steps):
        mode = {"submission": "starttls", "implicit": "implicit", "clear": "plain"}[setup]
        closed = False
        with site.raw(mode, timeout=10) as client:
            for number, kind, text in steps:
                try:
                    if kind == "C":
                        client.send(text)
                    elif kind == "S":
                        line = client.line()
                        self.assertIsNotNone(line, "the server closed")
                        self.assertTrue(matches(text, line), f"the server said: {line}\nnot: {text}")
                    elif kind == "T":
                        client.handshake()
                    elif kind == "X":
                        self.assertIsNone(client.line())
                        closed = True
                except (AssertionError, OSError) as error:
                    raise AssertionError(f"line {number}: {error}") from error
            if not closed:  # nothing more was said: the next answer is to the next command
                client.send(b"HELP\r\n")
                self.assertEqual(client.line()[:3], "214")


# --- TLS --------------------------------------------------------------------------------------------------------------


class TlsTest(support.TestCase):
    def test_nothing_sent_before_the_handshake_counts_after_it(self):
        server = self.server()
        with server.raw() as client:
            client.expect(220)
            client.command("EHLO client.example", 250)
            client.send(b"STARTTLS\r\nEHLO attacker.example\r\nAUTH PLAIN " + sasl_plain(USER, PASSWORD).encode() +
                        b"\r\n")
            self.assertEqual(client.line()[:3], "220")
            self.assertEqual(client.buffer, b"")
            client.handshake()
            client.command("NOOP", 250)
            client.command("MAIL FROM:<%s>" % SENDER, "503 5.5.1 EHLO first")
        self.assertEqual(server.stats()["logins_total"]["PLAIN"]["success"], 0)

    def test_versions(self):
        server = self.server()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting_context(minimum_version=version, maximum_version=version)
            for mode in ("starttls", "implicit"):
                with server.client(mode, context=context) as client:
                    self.assertEqual(client.socket.version(), version.name.replace("_", "."))
                    client.submit(MESSAGE)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, OSError)):
            server.raw("implicit", context=old)
        wait_until(lambda: server.stats()["tls_handshakes_total"]["failed"] == 1, "the failed handshake is counted")

    def test_in_tls_1_3_the_greeting_comes_with_the_servers_flight(self):
        server = self.server()
        context = trusting_context(minimum_version=ssl.TLSVersion.TLSv1_3)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing, server_hostname=HOSTNAME)
        with socket.create_connection(("127.0.0.1", server.implicit_port), 30) as wire:
            self.assertRaises(ssl.SSLWantReadError, client.do_handshake)
            wire.sendall(outgoing.read())
            greeting = b""
            while not greeting.endswith(b"\r\n"):  # our own flight stays in `outgoing`
                incoming.write(wire.recv(10_000))
                try:
                    client.do_handshake()
                    greeting += client.read()
                except ssl.SSLWantReadError:
                    pass
            self.assertEqual(greeting, b"220 %s ESMTP Sluice\r\n" % HOSTNAME.encode())
            self.assertEqual(server.stats()["tls_handshakes_total"]["full"], 0)
            client.write(b"EHLO client.example\r\n")
            wire.sendall(outgoing.read())
            answer = b""
            while b"\r\n250 " not in answer:
                incoming.write(wire.recv(10_000))
                try:
                    answer += client.read()
                except ssl.SSLWantReadError:
                    pass
            self.assertEqual(answer[:4], b"250-")
            self.assertEqual(server.stats()["tls_handshakes_total"]["full"], 1)

    def test_sessions_are_resumed_by_tickets_on_every_shard(self):
        server = self.server(shards=2)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting_context(minimum_version=version, maximum_version=version)
            with server.raw("implicit", context=context) as first:
                first.expect(220)
                first.command("EHLO client.example", 250)  # behind the tickets of TLS 1.3
                session = first.socket.session
            for _ in range(8):
                raw = socket.create_connection(("127.0.0.1", server.implicit_port), 30)
                with context.wrap_socket(raw, server_hostname=HOSTNAME, session=session) as again:
                    self.assertTrue(again.session_reused, version)
                    again.recv(1000)
        wait_until(lambda: server.stats()["tls_handshakes_total"]["resumed"] == 16, "16 resumed sessions are counted")

    def test_a_client_that_stalls_in_the_handshake_is_closed(self):
        server = self.server(limits={"handshake_timeout": "1s"})
        silent = socket.create_connection(("127.0.0.1", server.implicit_port), 30)
        half = socket.create_connection(("127.0.0.1", server.implicit_port), 30)
        half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # the head of a ClientHello
        began = time.monotonic()
        with silent, half:
            for stalled in (silent, half):
                try:
                    self.assertEqual(stalled.recv(1000), b"")
                except ConnectionResetError:
                    pass
                self.assertLess(time.monotonic() - began, 10)
        self.assertGreater(time.monotonic() - began, 0.9)
        self.assertEqual(server.stats()["tls_handshakes_total"]["failed"], 2)
        with server.client("implicit") as client:
            client.submit(MESSAGE)


# --- peers that misbehave --------------------------------------------------------------------------------------------


class HostileTest(support.TestCase):
    def assert_serves(self, server):
        for mode in ("starttls", "implicit"):
            with server.client(mode) as client:
                client.submit(MESSAGE)

    def test_garbage_of_all_kinds(self):
        server = self.server()
        hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
        noise = bytes((i * 7919 + i // 256) % 256 for i in range(100_000))
        for mode in ("starttls", "implicit"):
            for octets in (b"\0", hello, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", noise, b"\r\n" * 5000, b"\n" * 5000,
                           b"\x80\x2e\x01\x00\x02", b"\x16\x03\x01\x3f\xff" + noise):
                with self.subTest(mode=mode, octets=octets[:20]), server.raw(mode="starttls") as client:
                    if mode == "implicit":
                        client.close()
                        client.socket = socket.create_connection(("127.0.0.1", server.implicit_port), 30)
                    try:
                        client.send(octets)
                        client.half_close()
                        while client.socket.recv(65536):
                            pass
                    except (ConnectionResetError, BrokenPipeError):
                        pass
        self.assert_serves(server)
        wait_until(lambda: server.stats()["connections_open"] == 0, "all connections are closed")

    def test_half_closed_behind_a_message_still_gets_every_answer(self):
        sink = self.sink()
        server = self.server(next_hop=[sink.address])
        plain = self.site("clear", listeners=[(f"127.0.0.1:{support.free_port()}", "plain",
                                               {"mechanisms_clear": ["PLAIN"]})], next_hop=[sink.address])
        plain.plain_port = int(re.search(r":(\d+)\"", plain.config.read_text())[1])
        plain.start()
        transaction = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode()
        with plain.client("plain") as client:
            client.send(transaction)
            for code in (250, 250, 354):
                client.expect(code)
            client.send(MESSAGE + b".\r\n")
            client.half_close()
            client.expect("250 2.0.0 Ok: queued as")
            client.expect_end()
        with server.client() as client:  # the same with close_notify
            client.send(transaction)
            for code in (250, 250, 354):
                client.expect(code)
            client.send(MESSAGE + b".\r\n")
            client.socket.settimeout(30)
            client.expect("250 2.0.0 Ok: queued as")
        sink.wait_messages(2)

    def test_a_message_cut_short_is_no_message(self):
        server = self.server()
        for end in ("close", "reset"):
            for size in (10, 5000, 300_000):  # 300,000: its first parts are in the journal already
                client = server.client()
                client.begin()
                client.send(b"Subject: cut\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y" * size)
                getattr(client, end)()
        client = server.client()  # between the dot and its line end
        client.begin()
        client.send(b"Subject: cut\r\n\r\nx\r\n.\r")
        client.close()
        wait_until(lambda: server.stats()["connections_open"] == 0, "all connections are closed")
        self.assertEqual(server.stats()["messages_received_total"], 0)
        self.assertEqual(server.queue(), [])
        self.assert_serves(server)
        self.assertEqual(server.stop(), 0)

    def test_an_endless_line_costs_no_memory_and_is_one_error(self):
        server = self.server()
        with server.client() as client:
            client.command("NOOP", 250)
            before = resident_bytes(server.pid)
            for _ in range(256):
                client.send(b"x" * 65536)
            client.send(b"\r\n")
            client.expect("500 5.5.2")
            client.command("NOOP", 250)
            self.assertLess(resident_bytes(server.pid) - before, 8 << 20)

    def test_a_client_that_never_reads_is_not_read_either(self):
        server = self.server(limits={"idle_timeout_authenticated": "2s"})
        with server.client() as client:
            client.command("NOOP", 250)
            before = resident_bytes(server.pid)
            client.socket.setblocking(False)
            commands = b"EHLO client.example\r\n" * 3000
            sent, last_progress = 0, time.monotonic()
            while time.monotonic() - last_progress < 1 and sent < 200 << 20:
                try:
                    sent += client.socket.send(commands)
                    last_progress = time.monotonic()
                except (ssl.SSLWantWriteError, BlockingIOError):
                    select.select([], [client.socket], [], 0.1)
            self.assertLess(sent, 100 << 20, "the server reads on and on")
            self.assertLess(resident_bytes(server.pid) - before, 16 << 20)
            self.assert_serves(server)
            wait_until(lambda: server.stats()["connections_open"] == 0, "it is closed as idle")

    def test_a_large_message_that_comes_octet_by_octet_and_line_by_line(self):
        sink = self.sink()
        server = self.server(next_hop=[sink.address])
        with server.client() as client:
            client.begin()
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in b"Subject: slow\r\n\r\n..dot\r\n...\r\n.\r\n":
                client.send(bytes([octet]))
            client.expect("250 2.0.0")
        self.assertEqual(sink.wait_messages(1)[0].body, b".dot\r\n..\r\n")


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- bounds -------------------------------------------------------------------------------------------------------------


class BoundsTest(support.TestCase):
    def test_a_session_too_many(self):
        server = self.server(limits={"sessions": 3})
        held = [server.client() for _ in range(3)]
        with server.raw() as refused:
            refused.expect("421 4.3.2")
            refused.expect_end()
        with self.assertRaises((ssl.SSLError, OSError)):
            server.raw("implicit")
        held.pop().close()
        wait_until(lambda: server.stats()["connections_open"] == 2, "the closed one is gone")
        with server.client() as client:
            client.submit(MESSAGE)
        for client in held:
            client.submit(MESSAGE)
            client.close()
        self.assertEqual(server.stats()["connections_refused_total"], 2)

    def test_idle_too_long_before_and_after_auth(self):
        server = self.server(limits={"idle_timeout": "1s", "idle_timeout_authenticated": "3s"})
        for user, least, most in ((None, 0.9, 2.5), (USER, 2.9, 5)):
            for mode in ("starttls", "implicit"):
                with self.subTest(user=user, mode=mode), server.client(mode, user=user) as client:
                    began = time.monotonic()
                    client.expect("421 4.4.2")
                    client.expect_end()
                    self.assertGreater(time.monotonic() - began, least)
                    self.assertLess(time.monotonic() - began, most)
        with server.client() as client:  # in the middle of a message too, and it is then no message
            client.begin()
            client.send(b"Subject: x\r\n\r\n")
            client.expect("421 4.4.2")
            client.expect_end()
        self.assertEqual(server.stats()["messages_received_total"], 0)

    def test_unknown_user_and_wrong_password_look_alike(self):
        server = self.server(auth={"failure_delay": "300ms", "failure_jitter": "20ms"},
                             limits={"auth_failures": 100})
        times = {"nobody@example.net": [], USER: [], "": []}
        replies = set()
        with server.client(user=None) as client:
            for _ in range(5):
                for name, taken in times.items():
                    began = time.monotonic()
                    replies.update(client.command("AUTH PLAIN " + sasl_plain(name or "x" * 200, "wrong"), 535))
                    taken.append(time.monotonic() - began)
        self.assertEqual(replies, {"535 5.7.8 Authentication credentials invalid"})
        for name, taken in times.items():
            self.assertGreaterEqual(min(taken), 0.3, name)
        medians = [statistics.median(taken) for taken in times.values()]
        self.assertLess(max(medians), 0.6, times)  # a tick of the timers is 100 ms
        self.assertLess(max(medians) - min(medians), 0.15, times)

    def test_too_many_wrong_passwords_end_the_session(self):
        server = self.server(limits={"auth_failures": 3})
        with server.client(user=None) as client:
            for _ in range(2):
                client.command("AUTH PLAIN " + sasl_plain(USER, "wrong"), 535)
            client.command("AUTH PLAIN " + sasl_plain(USER, "wrong"), "421 4.7.0")
            client.expect_end()
        with server.client() as client:  # and the user is not locked out
            client.submit(MESSAGE)

    def test_one_login_cannot_hold_the_room_of_all(self):
        users = [(USER, PASSWORD, ()), ("carol@example.net", PASSWORD, ())]
        server = self.server(users=users, shards=1,
                             limits={"message_bytes": "1M", "body_bytes": "4M", "body_bytes_login": "2M"})
        stalled = [server.client() for _ in range(6)]
        for client in stalled:  # without an end: held by the server, in memory and in the spool
            client.begin()
            client.send(b"Subject: x\r\n\r\n" + (b"x" * 78 + b"\r\n") * 8_000)
        with server.client(user="carol@example.net") as other:
            other.submit(b"Subject: large\r\n\r\n" + (b"y" * 78 + b"\r\n") * 10_000, sender="carol@example.net")
        codes = []
        for client in stalled:
            client.send(b".\r\n")
            codes.append(client.reply()[0][:9])
            client.command("NOOP", 250)
            client.close()
        self.assertEqual(sorted(set(codes)), ["250 2.0.0", "452 4.3.1"])
        self.assertEqual(codes.count("250 2.0.0"), 3, codes)  # of 640 KB each
        with server.client() as client:
            client.submit(MESSAGE)

    def test_a_recipient_too_many_leaves_the_others(self):
        sink = self.sink()
        server = self.server(next_hop=[sink.address], limits={"recipients": 250})
        names = [f"r{i}@example.org" for i in range(252)]
        with server.client() as client:
            client.send(f"MAIL FROM:<{SENDER}>\r\n".encode() +
                        b"".join(f"RCPT TO:<{name}>\r\n".encode() for name in names) + b"DATA\r\n")
            client.expect(250)
            codes = [client.reply()[0][:9] for _ in names]
            self.assertEqual(codes, ["250 2.1.5"] * 250 + ["452 4.5.3"] * 2)
            client.expect(354)
            client.send(MESSAGE + b".\r\n")
            client.expect(250)
        server.wait_queue_empty()
        got = [name for message in sink.messages() for name in message.recipients]
        self.assertEqual(sorted(got), sorted(names[:250]))


# --- what monitors see ---------------------------------------------------------------------------------------------------


class AdminTest(support.TestCase):
    def read_metrics(self, text):
        """{(name, labels): value} of Prometheus text 0.0.4, checked: every sample is of the family told last, none comes
        twice, and the buckets of a histogram rise to its count."""
        samples, kind, family = {}, None, None
        for line in text.splitlines():
            if head := re.fullmatch(r"# HELP (sluice_\w+) \S.*", line):
                family, kind = head[1], None
            elif head := re.fullmatch(r"# TYPE (sluice_\w+) (counter|gauge|histogram)", line):
                self.assertEqual(head[1], family)
                kind = head[2]
            else:
                sample = re.fullmatch(r'(\w+)(?:\{(\w+="[^"\\]*"(?:,\w+="[^"\\]*")*)\})? (\d+(?:\.\d+)?)', line)
                self.assertIsNotNone(sample, line)
                ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
                self.assertIn(sample[1], [family + end for end in ends])
                self.assertNotIn((sample[1], sample[2]), samples)
                samples[sample[1], sample[2]] = float(sample[3])
        last = {}
        for (name, labels), value in samples.items():
            if not name.endswith("_bucket"):
                continue
            shard, bound = re.fullmatch(r'(shard="\d+"),le="(.+)"', labels).groups()
            before = last.get((name, shard), (-1, 0))
            self.assertGreater(float(bound), before[0])
            self.assertGreaterEqual(value, before[1])
            last[name, shard] = float(bound), value
        for (name, shard), (bound, count) in last.items():
            self.assertEqual(bound, float("inf"))
            self.assertEqual(samples[name.removesuffix("_bucket") + "_count", shard], count)
        self.assertGreaterEqual(len(last), 2 * 7)
        return samples

    def get(self, port, target):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", target)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body

    def test_stats_queue_metrics_health(self):
        port = support.free_port()
        dead = support.free_port()
        server = self.server(next_hop=[f"127.0.0.1:{dead}"], shards=2, admin={"address": f"127.0.0.1:{port}"},
                             queue={"retry_min": "1h", "retry_max": "1h"})
        with server.client() as client:
            ids = [client.submit(MESSAGE, ["bob@example.org", "carol@example.org"]) for _ in range(3)]
            client.command("MAIL FROM:<mallory@example.org>", "553 5.7.1")
        wait_until(lambda: server.stats()["messages_deferred_total"] == 3, "three deferrals")

        stats = json.loads(server.admin("/v1/stats"))
        self.assertEqual(len(stats["shards"]), 2)
        self.assertEqual(stats["hostname"], HOSTNAME)
        for name, value in {"messages_received_total": 3, "messages_queued": 3,
                            "connections_total": 1, "messages_delivered_total": 0}.items():
            self.assertEqual(stats["total"][name], value, name)
            self.assertEqual(sum(shard[name] for shard in stats["shards"]), value, name)
        self.assertEqual(stats["total"]["tls_handshakes_total"], {"full": 1, "resumed": 0, "failed": 0})
        self.assertEqual(stats["total"]["logins_total"]["PLAIN"]["success"], 1)
        commands = {verb: count for verb, count in stats["total"]["commands_total"].items() if count}
        self.assertEqual(commands, {"EHLO": 2, "STARTTLS": 1, "AUTH": 1, "MAIL": 4, "RCPT": 6, "DATA": 3})
        self.assertEqual(stats["total"]["replies_total"], {"2xx": 17, "3xx": 3, "4xx": 0, "5xx": 1})
        self.assertEqual(stats["total"]["commit_records"]["sum"], stats["total"]["journal_records_total"])
        self.assertGreaterEqual(stats["total"]["commit_sync_seconds"]["count"], 3)
        self.assertGreater(stats["total"]["commit_sync_seconds"]["sum"], 0)
        self.assertGreater(stats["total"]["cpu_seconds_total"], 0)
        self.assertGreater(stats["total"]["network_received_bytes_total"], 3 * len(MESSAGE))

        # What was said of them is listed when it is on the disk.
        wait_until(lambda: all(message["last_response"] for message in server.queue()), "all three have a last response")
        self.assertEqual(server.stats()["messages_waiting"], 3)
        listed = server.queue()
        self.assertEqual([message["id"] for message in listed], sorted(ids))
        self.assertEqual(listed[0]["sender"], SENDER)
        self.assertEqual(listed[0]["recipients"], ["bob@example.org", "carol@example.org"])
        self.assertEqual(listed[0]["num_attempts"], 1)
        self.assertIn("refused", listed[0]["last_response"])
        self.assertAlmostEqual(listed[0]["next_attempt"], time.time() + 3600, delta=1300)
        page = json.loads(server.admin(f"/v1/queue?limit=2&after={sorted(ids)[0]}"))
        self.assertEqual([message["id"] for message in page["messages"]], sorted(ids)[1:])
        server.admin("/v1/queue?limit=0", expect=400)
        server.admin("/v1/nothing", expect=404)

        self.assertEqual(self.get(port, "/healthz"), (200, "ok\n"))
        self.assertEqual(self.get(port, "/readyz"), (200, "ready\n"))
        status, metrics = self.get(port, "/metrics")
        self.assertEqual(status, 200)
        samples = self.read_metrics(metrics)
        self.assertEqual(sum(samples["sluice_messages_queued", f'shard="{shard}"'] for shard in range(2)), 3)
        self.assertEqual(sum(samples["sluice_commands_total", f'shard="{shard}",verb="RCPT"'] for shard in range(2)), 6)
        for target in ("/v1/stats", "/v1/queue"):  # names of users and recipients: not for the network
            self.assertEqual(self.get(port, target)[0], 404)

    @unittest.skipUnless(IS_ROOT, "needs root, to try as another user")
    def test_the_admin_socket_is_not_for_other_users(self):
        server = self.server()
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            try:
                with socket.socket(socket.AF_UNIX) as other:
                    other.connect(str(server.state / "admin.sock"))
                os._exit(1)
            except PermissionError:
                os._exit(0)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)


class MemoryTest(support.TestCase):
    @unittest.skipUnless(IS_ROOT, "only root reads a server's memory")
    def test_no_password_stays_in_memory(self):
        secret, wrong = "Zq7w unique Secret 99", "Yx4v unlike Any other 31"
        server = self.server(users=[(USER, secret, ())])
        for password, code in ((secret, 235), (wrong, 535)):
            line = b"AUTH PLAIN " + sasl_plain(USER, password).encode() + b"\r\n"
            for cut in (0, len(line) - 20, len(line) - 2):
                with server.client(user=None) as client:
                    if cut > 0:
                        client.send(line[:cut])
                        time.sleep(0.1)
                    client.send(line[cut:])
                    client.expect(code)
        encoded = [sasl_plain(USER, password) for password in (secret, wrong)]
        found = []
        with open(f"/proc/{server.pid}/maps") as maps, open(f"/proc/{server.pid}/mem", "rb") as memory:
            for line in maps:
                span, rights = line.split()[:2]
                if not rights.startswith("rw"):
                    continue
                start, end = (int(number, 16) for number in span.split("-"))
                try:
                    memory.seek(start)
                    content = memory.read(end - start)
                except OSError:
                    continue  # a device's
                for what in [secret, wrong] + [text[-16:] for text in encoded]:
                    at = content.find(what.encode())
                    if at >= 0:
                        found.append((line.strip(), what, content[max(0, at - 60):at + 60]))
        self.assertEqual(found, [])


class EventLogTest(support.TestCase):
    SECRETS = ["hunter2 is secret", "wrong guess 99"]

    def test_every_event_is_json_and_no_password_is_anywhere(self):
        hop = self.hop(lambda event, text, hop: "550 5.1.1 No such user" if event == "RCPT" and "ghost" in text
                       else None)
        server = self.server(next_hop=[hop.address], users=[(USER, self.SECRETS[0], ())])
        with server.client(password=self.SECRETS[0]) as client:
            accepted = client.submit(MESSAGE)
            bounced = client.submit(MESSAGE, ["ghost@example.org"])
            client.command("MAIL FROM:<mallory@example.org>", 553)
        with server.raw() as client:
            client.expect(220)
            client.command("EHLO \\weird\"name\xff", 250)
            client.command("EHLO client.example", 250)
            client.starttls()
            client.command("EHLO client.example", 250)
            client.command("AUTH PLAIN " + sasl_plain("no\"body\n\x01@example.net", self.SECRETS[1]), 535)
            client.command("AUTH LOGIN", 334)
            client.command(support.base64.b64encode(USER.encode()).decode(), 334)
            client.command(support.base64.b64encode(self.SECRETS[1].encode()).decode(), 535)
        hop.wait_messages(2)
        server.wait_queue_empty()
        server.wait_events("Delivery", 2)
        self.assertEqual(server.stop(), 0)

        for event in server.events():  # json.loads took each line
            self.assertEqual(event["v"], 1)
            self.assertRegex(event["event_time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertAlmostEqual(event["timestamp"], time.time(), delta=120)
        reception = server.events("Reception")[0]
        self.assertEqual(reception["id"], accepted)
        self.assertEqual((reception["sender"], reception["recipient"], reception["login"]), (SENDER, RECIPIENT, USER))
        self.assertEqual(reception["reception_protocol"], "ESMTPSA")
        self.assertEqual(reception["tls_protocol_version"], "TLSv1.3")
        bounce = server.events("Bounce")[0]
        self.assertEqual((bounce["id"], bounce["recipient"]), (bounced, "ghost@example.org"))
        self.assertEqual(bounce["response"]["code"], 550)
        self.assertEqual(bounce["response"]["enhanced_code"], {"class": 5, "subject": 1, "detail": 1})
        auths = server.events("Auth")
        self.assertEqual([auth["response"]["code"] for auth in auths], [235, 535, 535])
        self.assertEqual(auths[2]["login"], USER)
        for auth in auths:
            self.assertEqual(auth["peer_address"]["addr"], "127.0.0.1")
            self.assertEqual(auth["reception_protocol"], "ESMTPS")
        self.assertEqual(len(server.events("Rejection")), 1)
        self.assertEqual([event["detail"] for event in server.events("Admin")], ["start", "stop"])

        said = b"\n".join([*server.event_lines(), server.errors().encode(), server.output().encode()])
        for secret in self.SECRETS:
            self.assertNotIn(secret.encode(), said)
            for user in (USER, "no\"body\n\x01@example.net"):
                self.assertNotIn(sasl_plain(user, secret).encode(), said)
            self.assertNotIn(support.base64.b64encode(secret.encode()), said)


# --- shards ----------------------------------------------------------------------------------------------------------------


class ShardsTest(support.TestCase):
    def test_every_shard_accepts_and_delivers(self):
        for shards in (1, 2, 8):
            with self.subTest(shards=shards):
                self.each_shard(shards)

    def each_shard(self, shards):
        sink = self.sink(name=f"sink{shards}")
        server = self.server(f"shards{shards}", next_hop=[sink.address], shards=shards)
        ids = []

        def received():
            stats = json.loads(server.admin("/v1/stats"))
            return [shard["messages_received_total"] for shard in stats["shards"]]
        while min(received()) == 0:  # SO_REUSEPORT spreads by a hash of the client's port
            self.assertLess(len(ids), 400, "connections do not reach every shard")
            for mode in ("starttls", "implicit"):
                with server.client(mode) as client:
                    ids += [client.submit(MESSAGE) for _ in range(2)]
        self.assertEqual(len(received()), shards)
        self.assertEqual(len(set(ids)), len(ids), "queue ids are unique over shards")
        server.wait_queue_empty()
        stats = json.loads(server.admin("/v1/stats"))
        for shard in stats["shards"]:
            self.assertEqual(shard["messages_delivered_total"], shard["messages_received_total"])
        got = [re.search(rb"\bid (\w+);", message.header)[1].decode() for message in sink.wait_messages(len(ids))]
        self.assertEqual(sorted(got), sorted(ids))
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    support.main()
