"""A real Postfix as the next hop: what leaves Sluice is taken by the server that most of it will meet.

One private Postfix for all tests: its own configuration, queue and mailboxes in a folder of its own, loopback only,
several ports with different rules. It is as strict as it can be made (no bare LF, no pipelining out of turn, strict
envelopes). Mail ends in maildirs, where the whole content is compared. Postfix has to be started as root; without
root, all of this is skipped.
"""
import contextlib
import email
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

import support
from support import IS_ROOT, RECIPIENT, SENDER, wait_until

CAROL = "carol@example.org"
MISSING = "nobody-here@example.org"
HEADER = (b"From: Alice <alice@example.net>\r\nTo: bob@example.org\r\nSubject: a test\r\n"
          b"Date: Thu, 26 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@client.example>\r\n\r\n")
MESSAGE = HEADER + b"text\r\n"
EIGHT_BIT = HEADER[:-2] + (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                           b"Content-Transfer-Encoding: 8bit\r\n\r\n")
CONTENTS = {
    "dots": HEADER + b".\r\n..\r\n...\r\n.x\r\n\r\n.\r\n\r\n.\r\nQUIT\r\n.",
    "long lines": HEADER + b"\r\n".join([b"x" * 998, b"y" * 3000, b"." * 5000, b"0123456" * 20_000, b"end", b""]),
    "8-bit": EIGHT_BIT + "Grüße, привет, 你好\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
    "From lines": HEADER + b"From me\r\n>From you\r\n\r\nFrom us\r\n",
    "empty lines": HEADER + b"\r\n\r\n\r\n",
    "no body": HEADER,
    "several parts": HEADER + b"".join(b".%07d %s\r\n" % (i, b"z" * 60) for i in range(40_000)),
}


class Postfix:
    """Ports by name: see SERVICES. Mail for `users` is put into maildirs, everybody else there is gets 550."""

    HOSTNAME = "mx.example.org"
    SERVICES = {
        "clear": ["smtpd_tls_security_level=none"],
        "may": ["smtpd_tls_security_level=may"],
        "encrypt": ["smtpd_tls_security_level=encrypt"],
        "tls12": ["smtpd_tls_security_level=encrypt", "smtpd_tls_mandatory_protocols=TLSv1.2"],
        "bare": ["smtpd_tls_security_level=none", "smtpd_discard_ehlo_keywords=pipelining,8bitmime,size,"
                 "enhancedstatuscodes,dsn,chunking,vrfy,etrn,silent-discard"],
        "small": ["smtpd_tls_security_level=none", "message_size_limit=5000"],
        "few": ["smtpd_tls_security_level=none", "smtpd_client_connection_count_limit=2"],
    }
    INTERNAL = """
        pickup unix n - n 60 1 pickup
        cleanup unix n - n - 0 cleanup
        qmgr unix n - n 300 1 qmgr
        tlsmgr unix - - n 1000? 1 tlsmgr
        rewrite unix - - n - - trivial-rewrite
        bounce unix - - n - 0 bounce
        defer unix - - n - 0 bounce
        trace unix - - n - 0 bounce
        proxymap unix - - n - - proxymap
        anvil unix - - n - 1 anvil
        virtual unix - n n - - virtual
        error unix - - n - - error
        retry unix - - n - - error
        postlog unix-dgram n - n - 1 postlogd
        """

    def __init__(self, users):
        # Not below $SLUICE_BUILD: Postfix's daemons drop root, and a checkout may be in a home that they cannot enter.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-postfix-"))
        self.folder.chmod(0o755)
        self.etc, self.queue, self.mail = (self.folder / name for name in ("etc", "queue", "mail"))
        for name in ("etc", "queue", "data", "mail"):
            (self.folder / name).mkdir()
        self.owner = pwd.getpwnam("postfix").pw_uid
        self.reader = pwd.getpwnam("nobody").pw_uid
        os.chown(self.folder / "data", self.owner, -1)
        os.chown(self.mail, self.reader, -1)
        self.log = self.folder / "maillog"
        self.log.touch()
        os.chown(self.log, self.owner, -1)  # postsuper warns at a start of what a killed cleanup left, no longer as root
        self.ports = {name: support.free_port() for name in self.SERVICES}
        self.certificate, key = self.etc / "cert.pem", self.etc / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", f"/CN={self.HOSTNAME}", "-addext", f"subjectAltName=DNS:{self.HOSTNAME}", "-days",
                        "30", "-keyout", key, "-out", self.certificate], check=True, stderr=subprocess.DEVNULL)
        (self.etc / "header_checks").write_text("/^Subject: forbidden/ REJECT we do not want this\n")
        mailboxes = ", ".join(f"{user}={user}/" for user in users)
        (self.etc / "main.cf").write_text(f"""
            compatibility_level = 3.6
            queue_directory = {self.queue}
            data_directory = {self.folder}/data
            maillog_file = {self.log}
            maillog_file_prefixes = {self.folder}
            mail_owner = postfix
            setgid_group = postdrop
            myhostname = {self.HOSTNAME}
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            mydestination =
            mynetworks =
            local_header_rewrite_clients =
            alias_maps =
            alias_database =
            smtpd_peername_lookup = no
            virtual_mailbox_domains = example.net, example.org
            virtual_mailbox_base = {self.mail}
            virtual_mailbox_maps = inline:{{{mailboxes}}}
            virtual_uid_maps = static:{self.reader}
            virtual_gid_maps = static:{self.reader}
            header_checks = regexp:{self.etc}/header_checks
            smtpd_relay_restrictions = reject_unauth_destination
            smtpd_helo_required = yes
            smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
            smtpd_data_restrictions = reject_unauth_pipelining
            smtpd_forbid_unauth_pipelining = yes
            smtpd_forbid_bare_newline = yes
            smtpd_forbid_bare_newline_exclusions =
            strict_rfc821_envelopes = yes
            smtpd_tls_cert_file = {self.certificate}
            smtpd_tls_key_file = {key}
            smtpd_tls_received_header = yes
            in_flow_delay = 0
            default_process_limit = 50
            """.replace("\n            ", "\n"))
        services = [f"127.0.0.1:{self.ports[name]} inet n - n - - smtpd" +
                    "".join(f" -o {option}" for option in options) for name, options in self.SERVICES.items()]
        services += [line.strip() for line in self.INTERNAL.strip().splitlines()]
        (self.etc / "master.cf").write_text("\n".join(services) + "\n")
        self.master = None

    def address(self, port):
        return f"127.0.0.1:{self.ports[port]}"

    def start(self):
        result = subprocess.run(["postfix", "-c", self.etc, "start"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, timeout=support.PATIENCE)
        assert result.returncode == 0, f"postfix start: {result.stdout.decode()}\n{self.tail()}"
        self.master = int((self.queue / "pid" / "master.pid").read_text())
        for port in self.ports.values():
            wait_until(lambda: can_connect(port), f"Postfix listens on {port}")

    def stop(self):
        """SIGTERM to its master, which ends the others of its process group; waits for them all."""
        if self.master is None:
            return
        os.kill(self.master, signal.SIGTERM)
        group, self.master = self.master, None
        try:
            wait_until(lambda: not group_runs(group), "Postfix has stopped")
        except AssertionError:
            os.killpg(group, signal.SIGKILL)
            raise

    def remove(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder)

    def clear_mail(self):
        for mailbox in self.mail.iterdir():
            shutil.rmtree(mailbox)

    def mails(self, user=RECIPIENT):
        return [Mail(path.read_bytes()) for path in sorted((self.mail / user / "new").glob("*"))]

    def wait_mails(self, count, user=RECIPIENT, seconds=support.PATIENCE):
        new = self.mail / user / "new"  # files are moved there when complete
        wait_until(lambda: len(list(new.glob("*"))) >= count,
                   lambda: f"{count} mails for {user}; there are {len(list(new.glob('*')))}", seconds)
        return self.mails(user)

    def tail(self):
        return "--- Postfix\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def group_runs(group):
    """Whether a process of the group lives; what nobody has waited for (there may be no init) is dead too."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


class Mail:
    """As Postfix put it into a maildir. `content` is what Sluice sent: from its Received field on, with CR LF."""

    def __init__(self, octets):
        envelope, received, rest = octets.partition(b"Received: from submit.example.net ")
        self.return_path = re.search(rb"^Return-Path: <(.*)>", envelope, re.MULTILINE)[1].decode()
        end = re.search(rb"\n(?![ \t])", rest).end()
        self.received = (received + rest[:end]).decode()  # Postfix's
        self.content = rest[end:].replace(b"\n", b"\r\n")

    @property
    def submitted(self):
        """Without Sluice's own Received field."""
        return re.sub(rb"\AReceived: [^\r]*(\r\n\t[^\r]*)*\r\n", b"", self.content)

    @property
    def number(self):
        return re.search(rb"^X-Sluice-Load: (\S+)", self.content, re.MULTILINE)[1].decode()


class Tap:
    """Stands between, and notes who said what in turn: a list of ("C" or "S", octets), adjoining ones joined."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.said = []
        self.sockets = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", support.free_port()))
        self.address = "%s:%d" % self.listener.getsockname()
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target_port))
            self.sockets += [client, server]
            for who, source, target in (("C", client, server), ("S", server, client)):
                self.threads.append(threading.Thread(target=self.pass_on, args=(who, source, target)))
                self.threads[-1].start()

    def pass_on(self, who, source, target):
        with contextlib.suppress(OSError):
            while octets := source.recv(1 << 20):
                with self.lock:
                    before = self.said.pop()[1] if self.said and self.said[-1][0] == who else b""
                    self.said.append((who, before + octets))
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        for each in [self.listener, *self.sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for each in [self.listener, *self.sockets]:
            each.close()


@unittest.skipUnless(IS_ROOT, "Postfix has to be started as root")
class PostfixTest(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.postfix = Postfix([RECIPIENT, CAROL, SENDER])
        cls.addClassCleanup(cls.postfix.remove)
        cls.postfix.start()

    def setUp(self):
        super().setUp()
        self.postfix.clear_mail()
        self.addCleanup(lambda: self._failed_so_far() and print(self.postfix.tail()))

    def relay_to(self, port, tls="none", name="serve", **settings):
        """A server whose next hop is that port of Postfix."""
        relay = {"tls": tls} | settings.pop("relay", {})
        return self.server(name, next_hop=[self.postfix.address(port)], relay=relay, **settings)

    def wait_deferred(self, server, why):
        message = wait_until(lambda: [m for m in server.queue() if m["last_response"]], "a deferral")[0]
        self.assertIn(why, message["last_response"])

    # --- contents ---

    def test_every_content_arrives_octet_for_octet(self):
        for port, tls in (("clear", "none"), ("encrypt", "required"), ("bare", "none")):
            server = self.relay_to(port, tls, name=port)
            with server.client() as client:
                for number, (name, content) in enumerate(CONTENTS.items(), 1):
                    with self.subTest(port=port, content=name):
                        content += b"" if content.endswith(b"\r\n") else b"\r\n"
                        client.command(f"MAIL FROM:<{SENDER}> BODY=8BITMIME", 250)
                        client.command(f"RCPT TO:<{RECIPIENT}>", 250)
                        client.command("DATA", 354)
                        client.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
                        client.expect(250)
                        mail, = self.postfix.wait_mails(1)
                        self.assertEqual(mail.submitted, content)
                        self.assertEqual(mail.return_path, SENDER)
                    self.postfix.clear_mail()
            self.assertEqual(server.stats()["messages_delivered_total"], len(CONTENTS))

    def test_nothing_at_all_between_data_and_its_end(self):
        server = self.relay_to("may", "opportunistic")
        with server.client() as client:
            client.submit(b"")
        mail, = self.postfix.wait_mails(1)
        self.assertRegex(mail.submitted.decode(),
                         r"\ADate: [^\r\n]+\r\nMessage-ID: <\w+@submit.example.net>\r\n(\r\n)?\Z")

    def test_bare_lf_of_a_client_is_right_when_it_gets_here(self):
        """Postfix refuses bare LF, and a dot behind one would be an end of data to a laxer server."""
        server = self.relay_to("clear")
        with server.client() as client:
            client.begin()
            client.send(b"Subject: x\nDate: now\nMessage-ID: <x@y>\n\n"
                        b".\nfirst\n.\nMAIL FROM:<eve@example.org>\n\n.\r\n..\r\n.\r\n")
            client.expect(250)
        mail, = self.postfix.wait_mails(1)
        self.assertTrue(mail.submitted.endswith(
            b"\r\n\r\n.\r\nfirst\r\n.\r\nMAIL FROM:<eve@example.org>\r\n\r\n.\r\n.\r\n"), mail.submitted)

    # --- TLS ---

    def test_tls_as_ordered(self):
        for port, tls, expected in (("clear", "none", None), ("clear", "opportunistic", None), ("may", "none", None),
                                    ("may", "opportunistic", "TLSv1.3"), ("may", "required", "TLSv1.3"),
                                    ("encrypt", "opportunistic", "TLSv1.3"), ("encrypt", "required", "TLSv1.3"),
                                    ("tls12", "required", "TLSv1.2")):
            with self.subTest(port=port, tls=tls):
                server = self.relay_to(port, tls, name=f"{port}-{tls}")
                with server.client() as client:
                    client.submit(MESSAGE)
                mail, = self.postfix.wait_mails(1)
                self.assertEqual(mail.submitted, MESSAGE)
                if expected:
                    self.assertIn(f"(using {expected} with cipher ", mail.received)
                    self.assertIn("with ESMTPS id", mail.received)
                else:
                    self.assertNotIn("(using ", mail.received)
                    self.assertIn("with ESMTP id", mail.received)
                self.assertEqual(server.stop(), 0)
            self.postfix.clear_mail()

    def test_required_and_not_offered_is_deferred_and_nothing_goes_in_clear(self):
        server = self.relay_to("clear", "required")
        with server.client() as client:
            client.submit(MESSAGE)
        self.wait_deferred(server, "TLS")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(self.postfix.mails(), [])
        server.site.write_config(next_hop=[self.postfix.address("encrypt")], relay={"tls": "required"})
        server.site.start()
        self.assertIn("(using TLS", self.postfix.wait_mails(1)[0].received)

    def test_not_used_and_demanded_is_returned(self):
        server = self.relay_to("encrypt", "none")  # 530 5.7.0 Must issue a STARTTLS command first
        with server.client() as client:
            client.submit(MESSAGE)
        bounce = wait_until(lambda: server.events("Bounce"), "a Bounce event")[0]
        self.assertEqual(bounce["response"]["code"], 530)
        self.assertIn("STARTTLS", bounce["response"]["content"])
        self.assertEqual(self.postfix.mails(), [])

    def test_the_certificate_is_verified_where_that_is_ordered(self):
        trust = {"ca_file": self.postfix.certificate}
        server = self.relay_to("may", "verify", name="right", relay={"tls_name": Postfix.HOSTNAME, **trust})
        with server.client() as client:
            client.submit(MESSAGE)
        self.postfix.wait_mails(1)
        wrong = self.relay_to("may", "verify", name="wrong", relay={"tls_name": "other.example.org", **trust})
        with wrong.client() as client:
            client.submit(MESSAGE)
        self.wait_deferred(wrong, "TLS")
        self.assertEqual(len(self.postfix.mails()), 1)

    # --- the dialogue ---

    def test_pipelined_and_in_chunks_where_it_is_offered_and_only_there(self):
        groups = {}
        for name, port, discard in (("chunks", "clear", []), ("pipelined", "clear", ["chunking"]), ("bare", "bare", [])):
            tap = Tap(self.postfix.ports[port])
            self.addCleanup(tap.close)
            relay = {"tls": "none", "connections": 1, "discard_ehlo_keywords": discard}
            server = self.server(name, next_hop=[tap.address], relay=relay)
            with server.client() as client:
                for _ in range(3):
                    client.submit(MESSAGE, [RECIPIENT, CAROL])
            server.wait_queue_empty()
            groups[name] = [text for who, text in tap.said if who == "C"]
        for user in (RECIPIENT, CAROL):
            self.assertEqual([mail.submitted for mail in self.postfix.wait_mails(9, user)], [MESSAGE] * 9)
        envelope = (rb"MAIL FROM:<alice@example.net>( SIZE=\d+)?( BODY=\w+)?\r\nRCPT TO:<bob@example.org>\r\n"
                    rb"RCPT TO:<carol@example.org>\r\n")
        data = re.compile(envelope + rb"DATA\r\n\Z")
        self.assertEqual(len([text for text in groups["pipelined"] if data.search(text)]), 3, groups["pipelined"])
        chunk = re.compile(envelope + rb"BDAT (\d+) LAST\r\nReceived: ")
        chunks = b"".join(groups["chunks"])
        self.assertEqual(len(chunk.findall(chunks)), 3, chunks)
        self.assertNotIn(b"DATA\r\n", chunks)
        for text in groups["bare"]:
            self.assertTrue(text.count(b"\r\n") == 1 or text.endswith(b"\r\n.\r\n"), text)
            self.assertNotRegex(text, rb"SIZE=|BODY=")

    def test_a_server_that_allows_two_connections_gets_all(self):
        server = self.relay_to("few", relay={"connections": 8, "idle_timeout": "1s"})
        load = self.load(server, messages=100, connections=10)
        self.assertEqual(load.wait(), 0)
        self.postfix.wait_mails(100)
        server.wait_queue_empty()
        self.assertEqual(sorted(mail.number for mail in self.postfix.mails()), self.accepted())
        wait_until(lambda: "Connection concurrency limit exceeded" in self.postfix.log.read_text(),
                   "Postfix has refused connections, so that this tests something")

        # What was refused beside connections that worked does not keep the next message back for long.
        wait_until(lambda: server.stats()["relay_connections_open"] == 0, "the idle connections are closed")
        with server.client() as client:
            client.submit(MESSAGE)
        self.postfix.wait_mails(101, seconds=15)
        self.assertEqual(server.stats()["messages_bounced_total"], 0)

    # --- refusals ---

    def check_bounce(self, server, failed, status, code, subject=b"a test"):
        mail, = self.postfix.wait_mails(1, SENDER)
        self.assertEqual(mail.return_path, "")
        report = email.message_from_bytes(mail.content)
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        self.assertEqual(report["To"], f"<{SENDER}>")
        self.assertEqual(report.defects, [])
        words, delivery_status, original = report.get_payload()
        self.assertEqual(words.get_content_type(), "text/plain")
        self.assertEqual(delivery_status.get_content_type(), "message/delivery-status")
        of_message, *of_recipients = delivery_status.get_payload()
        self.assertEqual(of_message["Reporting-MTA"], "dns; submit.example.net")
        self.assertEqual([fields["Final-Recipient"] for fields in of_recipients],
                         [f"rfc822; {name}" for name in failed])
        for fields, name in zip(of_recipients, failed):
            self.assertEqual(fields["Action"], "failed")
            self.assertEqual(fields["Status"], status)
            self.assertRegex(fields["Diagnostic-Code"], rf"^smtp; .*{code}")
            self.assertIn(name, words.get_payload())
        self.assertEqual(original.get_content_type(), "text/rfc822-headers")
        self.assertIn(b"Subject: " + subject, original.get_payload(decode=True))
        server.wait_queue_empty()

    def test_a_refused_recipient_is_reported_and_the_others_get_it(self):
        server = self.relay_to("may", "opportunistic")
        with server.client() as client:
            client.submit(MESSAGE, [RECIPIENT, MISSING, CAROL, "neither@example.org"])
        for user in (RECIPIENT, CAROL):
            self.assertEqual(self.postfix.wait_mails(1, user)[0].submitted, MESSAGE)
        self.check_bounce(server, [MISSING, "neither@example.org"], "5.1.1", 550)

    def test_all_recipients_refused_and_the_connection_goes_on(self):
        server = self.relay_to("clear", relay={"connections": 1})
        with server.client() as client:
            client.submit(MESSAGE, [MISSING])
            client.submit(MESSAGE)
        self.postfix.wait_mails(1)
        self.check_bounce(server, [MISSING], "5.1.1", 550)

    def test_refused_after_the_end_of_data(self):
        server = self.relay_to("clear")
        with server.client() as client:
            client.submit(MESSAGE.replace(b"a test", b"forbidden"), [RECIPIENT, CAROL])
        self.check_bounce(server, [RECIPIENT, CAROL], "5.7.1", 550, b"forbidden")
        self.assertEqual(self.postfix.mails(), [])

    def test_too_big_for_the_next_hop(self):
        server = self.relay_to("small")
        with server.client() as client:
            client.submit(MESSAGE + b"x" * 70_000 + b"\r\n")
            client.submit(MESSAGE)
        self.check_bounce(server, [RECIPIENT], "5.3.4", 552)
        self.assertEqual([mail.submitted for mail in self.postfix.wait_mails(1)], [MESSAGE])

    def test_a_null_sender_gets_no_report(self):
        server = self.relay_to("clear")
        with server.client() as client:
            client.submit(MESSAGE, [MISSING, RECIPIENT], sender="")
        mail, = self.postfix.wait_mails(1)
        self.assertEqual((mail.return_path, mail.submitted), ("", MESSAGE))
        server.wait_queue_empty()
        self.assertEqual(server.wait_events("Bounce")[0]["recipient"], MISSING)
        self.assertEqual(self.postfix.mails(SENDER), [])

    # --- many, and gone for a while ---

    def load(self, server, messages, connections):
        (self.folder / "password").write_text(support.PASSWORD)
        self.ledger = self.folder / "sent.ledger"
        return self.run_load("run", "--to", f"127.0.0.1:{server.starttls_port}", "--tls", "starttls", "--connections",
                             connections, "--messages", messages, "--user", support.USER, "--password-file",
                             self.folder / "password", "--recipient", RECIPIENT, "--size", "3000", "--ledger",
                             self.ledger)

    def accepted(self):
        return sorted(support.read_ledger(self.ledger))

    def wait_all_accepted(self):
        """Some may have come twice, so that their number says nothing; Postfix puts them into the maildir later."""
        accepted = set(self.accepted())
        missing = lambda: accepted - {mail.number for mail in self.postfix.mails()}
        wait_until(lambda: not missing(), lambda: f"{len(accepted)} mails; not there: {sorted(missing())}")

    def test_500_at_once_arrive_each_once(self):
        server = self.relay_to("encrypt", "required", shards=2)
        load = self.load(server, messages=500, connections=20)
        self.assertEqual(load.wait(), 0)
        self.assertEqual(len(self.accepted()), 500)
        self.postfix.wait_mails(500)
        server.wait_queue_empty()
        self.assertEqual(sorted(mail.number for mail in self.postfix.mails()), self.accepted())
        self.assertEqual(server.stats()["messages_delivered_total"], 500)

    def test_stopped_and_started_again(self):
        server = self.relay_to("may", "opportunistic")
        self.postfix.stop()
        try:
            with server.client() as client:
                ids = [client.submit(MESSAGE) for _ in range(3)]
            wait_until(lambda: server.stats()["messages_deferred_total"] >= 3, "deferrals")
            self.assertEqual(sorted(message["id"] for message in server.queue()), sorted(ids))
            self.wait_deferred(server, "refused")
        finally:
            self.postfix.start()
        self.assertEqual([mail.submitted for mail in self.postfix.wait_mails(3)], [MESSAGE] * 3)
        server.wait_queue_empty()
        self.assertEqual(len(self.postfix.mails()), 3)

    def test_stopped_under_load_loses_nothing(self):
        """What was under way may come twice: nobody can tell whether Postfix had it. And it goes on soon after."""
        server = self.relay_to("may", "opportunistic")
        load = self.load(server, messages=600, connections=10)
        self.postfix.wait_mails(20)
        self.postfix.stop()
        try:
            self.assertEqual(load.wait(), 0)
            self.assertEqual(len(self.accepted()), 600)
            self.assertGreater(server.stats()["messages_queued"], 0, "Postfix was stopped too late to test anything")
        finally:
            self.postfix.start()
        server.wait_queue_empty()
        self.wait_all_accepted()
        self.assertEqual(server.stats()["messages_bounced_total"], 0)


if __name__ == "__main__":
    if not IS_ROOT:
        print("skipped: Postfix has to be started as root")
        sys.exit(77)
    support.main()
