"""Real clients submit over TLS with a login, and the message arrives octet for octet.

curl, swaks, openssl s_client, msmtp and Python's smtplib, each in the ways that people use it. What is checked at the
sink is the whole content: the trace fields that Sluice puts in front, then exactly what the client sent. What a client
itself changes on the way is written beside its test. tools/setup installs the clients; none that is missing is skipped.
"""
import email.message
import email.policy
import os
import re
import select
import signal
import smtplib
import ssl
import subprocess
import time

import support
from support import HOSTNAME, PASSWORD, PATIENCE, RECIPIENT, SENDER, USER, wait_until

HEADER = (b"From: Alice <alice@example.net>\r\nTo: bob@example.org\r\nSubject: all that a client may spoil\r\n"
          b"Date: Thu, 26 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@client.example>\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
BODY = (b".\r\n..\r\n...\r\n.a dot before text\r\nFrom the start of a line\r\n>From quoted\r\n\r\n\r\n"
        b"Gr\xc3\xbc\xc3\x9fe, \xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xff\xfe\x80 no UTF-8\r\n"
        b"\ttab, trailing blanks \t \r\nQUIT\r\nRSET\r\n%FROM_ADDRESS% \\r\\n $HOME\r\n" + b"x" * 3000 +
        b"\r\n" + b"0123456789abcdef" * 6000 + b"\r\n\r\n-- \r\nthe last line\r\n")
CONTENT = HEADER + BODY
TRACE = re.compile(rb"Received: from \S+ \(\[(IPv6:)?([0-9a-f.:]+)\]\)\r\n\tby submit\.example\.net \(Sluice\) "
                   rb"with ESMTPSA \(TLSv1\.[23] \S+\) id \w+;\r\n\t[^\r\n]+ \+0000\r\n")


def bare_lf(content):
    return content.replace(b"\r\n", b"\n")


class ClientCase(support.TestCase):
    def setUp(self):
        super().setUp()
        self.store = self.sink()
        self.msa = self.make_site()
        self.msa.start()
        self.trust = self.msa.folder / "cert.pem"
        self.port = {"starttls": self.msa.starttls_port, "implicit": self.msa.implicit_port}
        self.arrived = 0

    def make_site(self):
        return self.site(next_hop=[self.store.address])

    def file(self, content, name="message"):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def run_client(self, *command, content=b"", exit_code=0, env=None):
        """Its output; the exit code must be as expected."""
        result = subprocess.run(list(map(str, command)), input=content, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=PATIENCE, env=env)
        said = result.stdout.decode(errors="replace")
        self.assertEqual(result.returncode, exit_code, f"{command}\n{said}")
        return said

    def assert_arrives(self, content=CONTENT, sender=SENDER, recipients=(RECIPIENT,), messages=1, client=b"127.0.0.1"):
        """The next `messages` messages at the sink are this one, and no more have come."""
        found = self.store.wait_messages(self.arrived + messages)
        self.assertEqual(len(found), self.arrived + messages)
        for message in found[self.arrived:]:
            trace = TRACE.match(message.content)
            self.assertTrue(trace, message.content[:500])
            self.assertEqual(trace[2], client)
            self.assertEqual(message.content[trace.end():], content)
            self.assertEqual((message.sender, message.recipients), (sender, list(recipients)))
        self.arrived += messages

    def assert_nothing_accepted(self):
        self.assertEqual(self.msa.stats()["messages_received_total"], 0)

    def assert_log_ins(self, *expected):
        """What the log says of them all; so a client that took another mechanism than asked for is found."""
        events = self.msa.wait_events("Auth", len(expected))
        self.assertEqual([(event["mechanism"], event["response"]["code"]) for event in events], list(expected))
        self.assertEqual({event["login"] for event in events}, {USER})


class CurlTest(ClientCase):
    def curl(self, mode, mechanism, *options, content, password=PASSWORD, host=HOSTNAME, exit_code=0):
        port = self.port[mode]
        where = ["--url", f"smtp://{host}:{port}", "--ssl-reqd"] if mode == "starttls" else [
            "--url", f"smtps://{host}:{port}"]
        return self.run_client(
            "curl", "--silent", "--show-error", "--verbose", "--max-time", PATIENCE, "--noproxy", "*",
            "--resolve", f"{HOSTNAME}:{port}:127.0.0.1", "--cacert", self.trust, *where, "--user", f"{USER}:{password}",
            "--login-options", f"AUTH={mechanism}", "--mail-from", SENDER, "--mail-rcpt", RECIPIENT,
            "--upload-file", self.file(content), *options, exit_code=exit_code)

    def test_each_mode_and_mechanism_with_the_certificate_checked(self):
        for mode in ("implicit", "starttls"):
            for mechanism in ("PLAIN", "LOGIN"):
                with self.subTest(mode=mode, mechanism=mechanism):
                    self.curl(mode, mechanism, content=CONTENT)
                    self.assert_arrives()
        self.assert_log_ins(*[("PLAIN", 235), ("LOGIN", 235)] * 2)

    def test_crlf_option_makes_bare_lf_right(self):
        self.curl("starttls", "PLAIN", "--crlf", content=bare_lf(CONTENT))
        self.assert_arrives()

    def test_bare_lf_becomes_cr_lf_and_never_ends_the_message(self):
        # curl stuffs a dot only behind CR LF, and ends what does not end in CR LF with CR LF "." CR LF: so one empty
        # line more. The lone "." of the first line has a CR LF before it (that of DATA), and is stuffed.
        smuggled = b"text\n.\nMAIL FROM:<mallory@example.org>\nRCPT TO:<eve@example.org>\nDATA\nx\n.\n"
        for mode in ("implicit", "starttls"):
            with self.subTest(mode=mode):
                self.curl(mode, "PLAIN", content=bare_lf(CONTENT))
                self.assert_arrives(CONTENT + b"\r\n")
                self.curl(mode, "LOGIN", content=bare_lf(HEADER) + smuggled)
                self.assert_arrives(HEADER + smuggled.replace(b"\n", b"\r\n") + b"\r\n")

    def test_wrong_password(self):
        for mechanism in ("PLAIN", "LOGIN"):
            said = self.curl("implicit", mechanism, content=CONTENT, password="wrong", exit_code=67)
            self.assertIn("< 535 5.7.8", said)
        self.assert_log_ins(("PLAIN", 535), ("LOGIN", 535))
        self.assert_nothing_accepted()

    def test_a_certificate_that_is_not_trusted_stops_it(self):
        other = self.site_of_another_name()
        said = self.curl("implicit", "PLAIN", "--cacert", other / "cert.pem", content=CONTENT, exit_code=60)
        self.assertIn("certificate", said)
        self.assert_nothing_accepted()

    def site_of_another_name(self):
        folder = self.folder / "other"
        self.run_client(support.SLUICE, "init", "--dir", folder, "--hostname", "other.example.net",
                        *(["--run-as", "root"] if support.IS_ROOT else []))
        return folder

    def test_several_recipients_and_a_message_of_several_mebibytes(self):
        content = HEADER + b"".join(b"%07d .\r\n.%07d\r\n" % (i, i) for i in range(200_000))
        self.curl("starttls", "PLAIN", "--mail-rcpt", "carol@example.org", content=content)
        self.assert_arrives(content, recipients=[RECIPIENT, "carol@example.org"])


class SwaksTest(ClientCase):
    def swaks(self, mode, mechanism, password=PASSWORD, exit_code=0, content=CONTENT):
        tls = {"starttls": "--tls", "implicit": "--tls-on-connect"}[mode]
        return self.run_client(
            "swaks", "--server", "127.0.0.1", "--port", self.port[mode], tls, "--tls-verify", "--tls-ca-path",
            self.trust, "--auth", mechanism, "--auth-user", USER, "--auth-password", password, "--from", SENDER,
            "--to", RECIPIENT, "--helo", "client.example", "--timeout", PATIENCE, "--suppress-data", "--data",
            f"@{self.file(content)}", exit_code=exit_code)

    def test_each_mode_and_mechanism(self):
        # swaks gets "\n" in its data wrong on purpose (it stands for a line end), and %FROM_ADDRESS% too.
        content = CONTENT.replace(b"%FROM_ADDRESS% \\r\\n ", b"")
        for mode in ("starttls", "implicit"):
            for mechanism in ("PLAIN", "LOGIN"):
                with self.subTest(mode=mode, mechanism=mechanism):
                    said = self.swaks(mode, mechanism, content=content)
                    self.assertRegex(said, r"<~  250 2\.0\.0 Ok: queued as \w+")
                    self.assertIn("<~  221 2.0.0", said)
                    self.assert_arrives(content + b"\r\n")  # swaks ends its data with a line end of its own
        self.assert_log_ins(*[("PLAIN", 235), ("LOGIN", 235)] * 2)

    def test_wrong_password_gets_535(self):
        for mode in ("starttls", "implicit"):
            for mechanism in ("PLAIN", "LOGIN"):
                with self.subTest(mode=mode, mechanism=mechanism):
                    said = self.swaks(mode, mechanism, password="wrong", exit_code=28)
                    self.assertIn("<~* 535 5.7.8 Authentication credentials invalid", said)
        self.assert_log_ins(*[("PLAIN", 535), ("LOGIN", 535)] * 2)
        self.assert_nothing_accepted()

    def test_without_tls_there_is_no_auth(self):
        said = self.run_client("swaks", "--server", "127.0.0.1", "--port", self.port["starttls"], "--auth", "PLAIN",
                               "--auth-user", USER, "--auth-password", PASSWORD, "--from", SENDER, "--to", RECIPIENT,
                               "--timeout", PATIENCE, exit_code=28)
        self.assertNotIn("-AUTH", said)
        self.assert_nothing_accepted()


class OpensslTest(ClientCase):
    """By hand, as a person types: each line when the answer to the one before has come."""

    def s_client(self, mode, *options):
        starttls = ["-starttls", "smtp"] if mode == "starttls" else []
        with open(self.folder / "s_client.err", "ab") as errors:
            process = subprocess.Popen(
                ["openssl", "s_client", *starttls, "-connect", f"127.0.0.1:{self.port[mode]}", "-quiet",
                 "-verify_return_error", "-CAfile", str(self.trust), *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0)
        typist = Typist(process)
        self.addCleanup(typist.close)
        if mode == "implicit":  # -starttls says EHLO and STARTTLS itself, and with -quiet shows nothing of it
            typist.expect("220 ")
        return typist

    def log_in(self, typist, end):
        typist.say(b"EHLO client.example" + end, "250 ")
        typist.say(b"AUTH PLAIN " + support.sasl_plain(USER, PASSWORD).encode() + end, "235 ")

    def envelope(self, typist, end):
        typist.say(f"MAIL FROM:<{SENDER}>".encode() + end, "250 ")
        typist.say(f"RCPT TO:<{RECIPIENT}>".encode() + end, "250 ")  # "R" is no renegotiation with -quiet
        typist.say(b"DATA" + end, "354 ")

    def test_with_crlf(self):
        stuffed = bare_lf(CONTENT).replace(b"\n.", b"\n..") + b".\n"
        for mode in ("starttls", "implicit"):
            with self.subTest(mode=mode):
                typist = self.s_client(mode, "-crlf")
                self.log_in(typist, b"\n")
                self.envelope(typist, b"\n")
                typist.say(stuffed, "250 2.0.0 Ok: queued as ")
                typist.say(b"QUIT\n", "221 ")
                self.assertEqual(typist.wait(), 0)
                self.assert_arrives()

    def test_without_crlf_a_command_has_no_end_and_the_session_lives_on(self):
        typist = self.s_client("starttls")
        typist.write(b"EHLO client.example\n")
        typist.say(b"MAIL FROM:<mallory@example.org>\nNOOP\r\n", "500 5.5.2")  # one answer to all three
        self.log_in(typist, b"\r\n")
        self.envelope(typist, b"\r\n")
        typist.say(b"Subject: x\r\n\r\ntext\r\n.\r\n", "250 2.0.0")
        self.assertEqual(typist.rest(), [])
        self.assertEqual(len(self.store.wait_messages(1)), 1)

    def test_without_crlf_a_lone_dot_does_not_end_the_message(self):
        body = b"Subject: x\r\n\r\nfirst\n.\nMAIL FROM:<mallory@example.org>\nRCPT TO:<eve@example.org>\nDATA\n.\n"
        for end in (b".\r\n", b"\n.\r\n", b"\r.\r\n"):
            with self.subTest(end=end):
                typist = self.s_client("starttls")
                self.log_in(typist, b"\r\n")
                self.envelope(typist, b"\r\n")
                typist.write(body)
                typist.write(end)
                typist.say(b".\r\n", "550 5.6.0" if b"\r." in end else "250 2.0.0")
                self.assertEqual(typist.rest(), [])
        arrived = [message.body for message in self.store.wait_messages(2)]
        expected = body.partition(b"\r\n\r\n")[2].replace(b"\n", b"\r\n")
        self.assertEqual(arrived, [expected + b".\r\n", expected + b"\r\n.\r\n"])

    def test_a_pasted_dialogue(self):
        """All at once and not waiting for any answer, as `openssl s_client < script` sends it."""
        typist = self.s_client("implicit", "-crlf")
        typist.write(b"EHLO client.example\nAUTH PLAIN " + support.sasl_plain(USER, PASSWORD).encode() +
                     f"\nMAIL FROM:<{SENDER}>\nRCPT TO:<{RECIPIENT}>\nDATA\n".encode())
        for code in ("250 ", "235 ", "250 ", "250 ", "354 "):
            typist.expect(code)
        typist.write(bare_lf(CONTENT).replace(b"\n.", b"\n..") + b".\nQUIT\n")
        typist.expect("250 2.0.0")
        typist.expect("221 ")
        self.assertEqual(typist.wait(), 0)
        self.assert_arrives()


class Typist:
    """A program with a dialogue on its standard input and output."""

    def __init__(self, process):
        self.process = process
        self.buffer = b""

    def write(self, octets):
        self.process.stdin.write(octets)

    def say(self, octets, code):
        self.write(octets)
        return self.expect(code)

    def line(self):
        """Without its end; None at the end of the output."""
        deadline = time.monotonic() + PATIENCE
        while b"\n" not in self.buffer:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            assert readable, f"no line within {PATIENCE} s; so far: {self.buffer}"
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                return None
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")

    def expect(self, code):
        """The last line of the next reply."""
        while True:
            line = self.line()
            assert line is not None, f"the program ended; expected {code}"
            if line[3:4] != "-":
                assert line.startswith(code), f"expected {code}, got {line}"
                return line

    def rest(self):
        """QUIT; what is said before its answer."""
        self.write(b"QUIT\r\n")
        lines = []
        while (line := self.line()) is not None and not line.startswith("221 "):
            lines.append(line)
        assert line is not None, f"no answer to QUIT: {lines}"
        self.wait()
        return lines

    def wait(self):
        self.process.stdin.close()
        return self.process.wait(PATIENCE)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class MsmtpTest(ClientCase):
    def msmtp(self, mode, mechanism, password=PASSWORD, content=CONTENT, exit_code=0, trust=None, more=""):
        config = self.file(f"""
            account sluice
            host 127.0.0.1
            port {self.port[mode]}
            domain client.example
            from {SENDER}
            auth {mechanism.lower()}
            user {USER}
            password "{password}"
            tls on
            tls_starttls {"on" if mode == "starttls" else "off"}
            tls_trust_file {trust or self.trust}
            timeout {PATIENCE}
            {more}""".encode(), "msmtprc")
        config.chmod(0o600)
        return self.run_client("msmtp", "-C", config, "-a", "sluice", "--debug", RECIPIENT, content=content,
                               exit_code=exit_code)

    def test_each_mode_and_mechanism_with_the_certificate_checked(self):
        for mode in ("starttls", "implicit"):
            for mechanism in ("PLAIN", "LOGIN"):
                with self.subTest(mode=mode, mechanism=mechanism):
                    self.msmtp(mode, mechanism, content=bare_lf(CONTENT))
                    self.assert_arrives()
        self.assert_log_ins(*[("PLAIN", 235), ("LOGIN", 235)] * 2)

    def test_wrong_password(self):
        for mechanism in ("PLAIN", "LOGIN"):
            said = self.msmtp("starttls", mechanism, password="wrong", exit_code=77)
            self.assertIn("535 5.7.8", said)
        self.assert_log_ins(("PLAIN", 535), ("LOGIN", 535))
        self.assert_nothing_accepted()

    def test_a_certificate_that_is_not_trusted_stops_it(self):
        self.msmtp("starttls", "PLAIN", trust="/etc/ssl/certs/ca-certificates.crt", exit_code=69)
        self.assert_nothing_accepted()

    def test_fields_that_are_missing_are_added_and_bcc_goes(self):
        content = b"From: alice@example.net\nBcc: secret@example.org,\n carol@example.org\nSubject: short\n\ntext\n"
        # msmtp would do the same itself.
        self.msmtp("starttls", "PLAIN", content=content,
                   more="set_date_header off\nset_msgid_header off\nremove_bcc_headers off\n")
        arrived = self.store.wait_messages(1)[0].content
        trace = TRACE.match(arrived)
        self.assertRegex(arrived[trace.end():].decode(),
                         r"\ADate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n"
                         r"Message-ID: <\w+@submit.example.net>\r\n"
                         r"From: alice@example.net\r\nSubject: short\r\n\r\ntext\r\n\Z")


class SmtplibTest(ClientCase):
    def connect(self, mode, host="127.0.0.1"):
        """With certificate and name checked."""
        context = ssl.create_default_context(cafile=self.trust)
        if mode == "implicit":
            return smtplib.SMTP_SSL(host, self.port[mode], "client.example", timeout=PATIENCE, context=context)
        client = smtplib.SMTP(host, self.port[mode], "client.example", timeout=PATIENCE)
        client.starttls(context=context)
        return client

    def test_each_mode_and_mechanism_with_several_messages_a_connection(self):
        for mode in ("starttls", "implicit"):
            for mechanism in ("PLAIN", "LOGIN"):
                with self.subTest(mode=mode, mechanism=mechanism), self.connect(mode) as client:
                    client.user, client.password = USER, PASSWORD
                    client.ehlo()
                    self.assertEqual(client.esmtp_features["auth"].split(), ["PLAIN", "LOGIN"])
                    handler = client.auth_plain if mechanism == "PLAIN" else client.auth_login
                    client.auth(mechanism, handler, initial_response_ok=mode == "implicit")
                    for _ in range(3):
                        client.sendmail(SENDER, [RECIPIENT], CONTENT, ["BODY=8BITMIME"])  # it adds SIZE
                    self.assert_arrives(messages=3)
        self.assert_log_ins(*[("PLAIN", 235), ("LOGIN", 235)] * 2)

    def test_a_refusal_leaves_the_connection_usable(self):
        with self.connect("starttls") as client:
            client.login(USER, PASSWORD)
            with self.assertRaises(smtplib.SMTPSenderRefused) as refused:
                client.sendmail("mallory@example.org", [RECIPIENT], CONTENT)
            self.assertEqual(refused.exception.smtp_code, 553)
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                client.sendmail(SENDER, ["no domain"], CONTENT)
            refused = client.sendmail(SENDER, [RECIPIENT, "bob@localhost"], CONTENT)
            self.assertEqual(list(refused), ["bob@localhost"])
            self.assert_arrives()
            client.sendmail(SENDER, [RECIPIENT], CONTENT)
            self.assert_arrives()

    def test_wrong_password_then_the_right_one(self):
        with self.connect("implicit") as client:
            with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                client.login(USER, "wrong")
            self.assertEqual(refused.exception.smtp_code, 535)
            client.login(USER, PASSWORD)
            client.sendmail(SENDER, [RECIPIENT], CONTENT)
        self.assert_arrives()

    def test_a_message_object_with_8_bit_text(self):
        message = email.message.EmailMessage(policy=email.policy.SMTP.clone(cte_type="8bit"))
        message["From"], message["To"], message["Subject"] = SENDER, RECIPIENT, "Grüße"
        message["Date"], message["Message-ID"] = "Thu, 26 Nov 2026 12:00:00 +0000", "<2@client.example>"
        message.set_content("Grüße aus Köln\n.\nпривет\n", cte="8bit")
        with self.connect("starttls") as client:
            client.login(USER, PASSWORD)
            client.send_message(message)
        self.assert_arrives(message.as_bytes())

    def test_small_messages(self):
        with self.connect("starttls") as client:
            client.login(USER, PASSWORD)
            for content in (HEADER, HEADER + b".\r\n", HEADER + b"\r\n" * 3, HEADER + b"no end", HEADER[:-2]):
                with self.subTest(content=content[len(HEADER):]):
                    client.sendmail(SENDER, [RECIPIENT], content)
                    self.assert_arrives(content if content.endswith(b"\r\n") else content + b"\r\n")


class Ipv6Test(ClientCase):
    """Clients and next hop on ::1."""

    def make_site(self):
        self.store = self.sink(name="sink6", host="::1")
        site = self.site(next_hop=[self.store.address])
        site.write_config(next_hop=[self.store.address], listeners=[
            (f"[::1]:{site.starttls_port}", "starttls"), (f"[::1]:{site.implicit_port}", "implicit")])
        return site

    def test_curl(self):
        self.trust = self.msa.folder / "cert.pem"
        for mode in ("implicit", "starttls"):
            CurlTest.curl(self, mode, "PLAIN", content=CONTENT, host="[::1]")
            self.assert_arrives(client=b"::1")
        self.assert_log_ins(*[("PLAIN", 235)] * 2)

    def test_smtplib(self):
        for mode in ("implicit", "starttls"):
            with SmtplibTest.connect(self, mode, host="::1") as client:
                client.login(USER, PASSWORD)
                client.sendmail(SENDER, [RECIPIENT], CONTENT)
            self.assert_arrives(client=b"::1")


class StopTest(support.TestCase):
    def test_with_clients_connected_each_is_told_and_no_shard_is_called_stuck(self):
        server = self.server(shards=2, limits={"shutdown_grace": "2s"})
        with server.client() as idle, server.client() as sending:
            sending.begin()
            sending.send(b"Subject: never ends\r\n\r\nhalf")
            server.signal(signal.SIGTERM)
            idle.expect("421 4.3.2")
            idle.expect_end()
            sending.expect("421 4.3.2")  # when the grace runs out
            sending.expect_end()
            self.assertEqual(server.wait(), 0)
        # A shard without clients ends at once, the other at the end of the grace: to the watchdog that is no stall.
        self.assertNotIn("has been in stage", server.errors())


class AsInitWritesItTest(support.TestCase):
    """The configuration of `sluice init` and nothing else: what a new user has."""

    def test_clients_log_in_and_mail_goes_through(self):
        sink = self.sink()
        folder = self.folder / "trial"
        starttls, implicit = support.free_port(), support.free_port()
        subprocess.run([support.SLUICE, "init", "--dir", folder, "--hostname", HOSTNAME, "--next-hop", sink.address,
                        "--listen-starttls", f"127.0.0.1:{starttls}", "--listen-implicit", f"127.0.0.1:{implicit}",
                        "--user", USER, "--password-stdin", *(["--run-as", "root"] if support.IS_ROOT else [])],
                       input=PASSWORD.encode(), stdout=subprocess.DEVNULL, check=True)
        server = support.Program("serve", [support.SLUICE, "serve", "--config", folder / "sluice.toml"], self.folder)
        self.programs.append(server)
        server.wait_ready()
        common = ["--auth-user", USER, "--auth-password", PASSWORD, "--from", SENDER, "--to", RECIPIENT, "--timeout",
                  str(PATIENCE)]
        for options in (["--port", str(starttls), "--tls"], ["--port", str(implicit), "--tls-on-connect"]):
            for auth in (["--auth"], ["--auth", "PLAIN"], ["--auth", "LOGIN"]):  # bare --auth: swaks chooses
                subprocess.run(["swaks", "--server", "127.0.0.1", *options, *auth, *common], check=True,
                               stdout=subprocess.DEVNULL, timeout=PATIENCE)
        for url in (f"smtps://127.0.0.1:{implicit}", f"smtp://127.0.0.1:{starttls}"):
            subprocess.run(["curl", "--silent", "--noproxy", "*", "--ssl-reqd", "--cacert", folder / "cert.pem",
                            "--url", url, "--user", f"{USER}:{PASSWORD}", "--mail-from", SENDER, "--mail-rcpt",
                            RECIPIENT, "--upload-file", "-"], input=CONTENT, check=True, timeout=PATIENCE)
        self.assertEqual(len(sink.wait_messages(8)), 8)
        self.assertEqual(server.stop(), 0)
        wait_until(lambda: '"stop"' in server.output(), "the event log on standard output tells of the stop")


if __name__ == "__main__":
    support.main()
