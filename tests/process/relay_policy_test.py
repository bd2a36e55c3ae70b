"""Who may send without logging in: port 25 for local domains, and trusted networks; and where local mail goes."""
import signal
import smtplib
import subprocess
import unittest

import support
from support import HOSTNAME, PASSWORD, RECIPIENT, SLUICE, USER, free_port, sasl_plain, wait_until

LOCAL = "carol@local.example"
STRANGER = "dave@example.com"
PRINTERS = "printers@example.net"
TRUSTED = "127.0.0.2"  # where the printers are; tests come from 127.0.0.1 otherwise
MESSAGE = b"From: dave@example.com\r\nSubject: x\r\n\r\ntext\r\n"
DENIED = "550 5.7.1 Relaying denied"


class RelayPolicyTest(support.TestCase):
    def serve(self, local_hop, next_hop=(), trusted="", **tables):
        """A submission listener, and one of policy "relay" on the plain port's number, in the clear or by STARTTLS."""
        site = self.site(**tables)
        self.write(site, local_hop, next_hop, trusted, **tables)
        return site.start()

    def write(self, site, local_hop, next_hop=(), trusted="", domains=("local.example", ".local.example"), **tables):
        site.write_config(next_hop=next_hop, listeners=[
            (f"127.0.0.1:{site.starttls_port}", "starttls"),
            (f"127.0.0.1:{site.plain_port}", "starttls", {"policy": "relay"})], **tables)
        text = site.config.read_text() + "[[local_domain]]\n" \
            f"domains = {support.toml(list(domains))}\nnext_hop = {support.toml([local_hop])}\n"
        site.config.write_text(text + trusted)

    def user(self, server, *arguments):
        subprocess.run([SLUICE, "user", *arguments, "--config", server.config], check=True, capture_output=True,
                       timeout=support.PATIENCE, stdin=subprocess.DEVNULL)

    def check(self, site):
        return subprocess.run([SLUICE, "check", "--config", site.config], capture_output=True, text=True,
                              timeout=support.PATIENCE).stderr

    def stranger(self, server, **options):
        """A client at port 25 that has said EHLO."""
        client = server.raw("plain", **options)
        client.expect(220)
        client.command("EHLO stranger.example", 250)
        return client

    # --- policy = "relay" ---

    def test_strangers_write_to_local_domains_alone(self):
        local, outer = self.sink(name="local"), self.sink(name="outer")
        server = self.serve(local.address, [outer.address])
        with self.stranger(server) as client:
            client.command(f"MAIL FROM:<{STRANGER}> AUTH={USER}", 250)
            for recipient in (RECIPIENT, "carol%example.org@local.example", "example.org!carol@local.example",
                              '"carol@example.org"@local.example', '"carol\\@example.org"@local.example',
                              "@local.example:bob@example.org", "carol@[127.0.0.1]", f"carol@{HOSTNAME}",
                              "carol@local.example.org", "carol@notlocal.example"):
                client.command(f"RCPT TO:<{recipient}>", DENIED)
            client.command("RCPT TO:<carol@local.example.>", 501)
            client.command("RCPT TO:<carol@l\xf6cal.example>", 553)
            client.command("DATA", 554)
            for recipient in (LOCAL, "CAROL@Sub.LOCAL.example", "@example.org:erin@local.example", "Postmaster"):
                client.command(f"RCPT TO:<{recipient}>", 250)
            client.command("DATA", 354)
            client.send(MESSAGE + b".\r\n")
            client.expect(250)
            client.command("MAIL FROM:<>", 250)  # a bounce
            client.command(f"RCPT TO:<{LOCAL}>", 250)
            client.command("RSET", 250)
        message = local.wait_messages(1)[0]
        self.assertEqual(sorted(message.recipients), sorted(
            [LOCAL, "CAROL@Sub.LOCAL.example", "erin@local.example", "Postmaster"]))
        self.assertRegex(message.header, rb"(?s)^Received: from stranger\.example \(\[127\.0\.0\.1\]\).*with ESMTP id ")
        self.assertEqual(outer.messages(), [])
        reception = server.wait_events("Reception")[0]
        self.assertNotIn("login", reception)
        self.assertEqual(reception["reception_protocol"], "ESMTP")
        denied = [event for event in server.events("Rejection") if event["response"]["code"] == 550]
        self.assertEqual(len(denied), 10)
        self.assertNotIn("login", denied[0])

    def test_real_clients(self):
        local, outer = self.sink(name="local"), self.sink(name="outer")
        server = self.serve(local.address, [outer.address])

        def swaks(to, *options):
            return subprocess.run(["swaks", "--server", f"127.0.0.1:{server.plain_port}", "--from", STRANGER, "--to", to,
                                   *options], capture_output=True, text=True, timeout=support.PATIENCE)
        self.assertEqual(swaks(LOCAL, "--tls").returncode, 0)
        refused = swaks(RECIPIENT)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(DENIED, refused.stdout)
        # Who logs in at port 25 may do what a login may.
        self.assertEqual(swaks(RECIPIENT, "--tls", "--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD,
                               "--from", USER).returncode, 0)
        with smtplib.SMTP("127.0.0.1", server.plain_port, timeout=support.PATIENCE) as client:
            refusals = client.sendmail(STRANGER, [LOCAL, RECIPIENT], MESSAGE)
            self.assertEqual({to: code for to, (code, _) in refusals.items()}, {RECIPIENT: 550})
        with smtplib.SMTP("127.0.0.1", server.starttls_port, timeout=support.PATIENCE) as client:
            with self.assertRaises(smtplib.SMTPSenderRefused) as refused:
                client.sendmail(STRANGER, [LOCAL], MESSAGE)
            self.assertEqual(refused.exception.smtp_code, 530)
        self.assertRegex(local.wait_messages(2)[0].header, rb"with ESMTPS \(TLS")
        self.assertRegex(outer.wait_messages(1)[0].header, rb"with ESMTPSA \(TLS")

    def test_the_servers_limits_count_strangers(self):
        local = self.sink(name="local")
        server = self.serve(local.address, server_limits={"rates": ["2 messages/day"]})
        with self.stranger(server) as client:
            for _ in range(2):
                client.submit(MESSAGE, [LOCAL], STRANGER)
            self.assertIn("of this server", client.command(f"MAIL FROM:<{STRANGER}>", 450)[0])
        with server.client() as client:
            client.command(f"MAIL FROM:<{USER}>", 450)

    # --- next hops ---

    def test_a_message_is_split_by_next_hop_and_bounced_once(self):
        def rule(event, text, hop):
            return "550 5.1.1 Nobody" if event == "RCPT" and "nobody" in text else None
        local, outer = self.hop(rule), self.hop(rule)
        server = self.serve(local.address, [outer.address])
        with server.client() as client:
            client.submit(MESSAGE, [LOCAL, RECIPIENT, "nobody@local.example", "nobody@example.org"])
        self.assertEqual(local.wait_messages(1)[0].recipients, [LOCAL])
        to_bob, bounce = outer.wait_messages(2)
        self.assertEqual(to_bob.recipients, [RECIPIENT])
        self.assertEqual((bounce.sender, bounce.recipients), ("", [USER]))
        for address in (b"nobody@local.example", b"nobody@example.org"):
            self.assertIn(b"Final-Recipient: rfc822; " + address, bounce.content)
        server.wait_queue_empty()
        deliveries = {event["recipient"]: event["site"] for event in server.wait_events("Delivery", 3)}
        self.assertEqual(deliveries, {LOCAL: local.address, RECIPIENT: outer.address, USER: outer.address})

    def test_one_next_hop_that_is_away_or_stuck_does_not_keep_the_other(self):
        stuck = []

        def rule(event, text, hop):
            if event == "MAIL" and not stuck:
                wait_until(lambda: stuck, "the test goes on", 60)
        outer, local = self.hop(rule), self.hop()
        server = self.serve(local.address, [outer.address], relay={"connections": 1})
        with server.client() as client:
            for _ in range(60):  # more than may be under way to one next hop, so that some must go back
                client.submit(MESSAGE)
            client.submit(MESSAGE, [LOCAL])
            local.wait_messages(1)
            client.submit(MESSAGE, [RECIPIENT, LOCAL])
        with self.stranger(server) as client:
            client.submit(MESSAGE, [LOCAL], STRANGER)
        local.wait_messages(2)
        self.assertEqual(outer.messages, [])
        stuck.append(False)
        outer.wait_messages(61)
        local.wait_messages(3)
        server.wait_queue_empty()
        self.assertEqual((len(outer.messages), len(local.messages)), (61, 3))

    def test_a_killed_server_still_knows_the_way(self):
        local_port, outer_port = free_port(), free_port()
        server = self.serve(f"127.0.0.1:{local_port}", [f"127.0.0.1:{outer_port}"])
        with server.client() as client:
            client.submit(MESSAGE, [RECIPIENT, LOCAL])
            client.submit(MESSAGE, [LOCAL])
        server.kill()
        local, outer = self.hop(port=local_port), self.hop(port=outer_port)
        server = server.site.start()
        server.wait_queue_empty()
        self.assertEqual([message.recipients for message in local.messages], [[LOCAL]] * 2)
        self.assertEqual([message.recipients for message in outer.messages], [[RECIPIENT]])

    def test_sighup_takes_over_domains_and_queued_mail_follows(self):
        away = f"127.0.0.1:{free_port()}"
        local, outer = self.sink(name="local"), self.sink(name="outer")
        server = self.serve(away, [outer.address])
        with server.client() as client:
            client.submit(MESSAGE, [LOCAL])
        server.wait_events("TransientFailure")
        with self.stranger(server) as client:
            client.command(f"MAIL FROM:<{STRANGER}>", 250)
            client.command("RCPT TO:<a@new.example>", DENIED)
            self.write(server.site, local.address, [outer.address], domains=("new.example", "local.example"))
            server.signal(signal.SIGHUP)
            wait_until(lambda: any("reload:" in event["detail"] for event in server.events("Admin")), "the reload")
            self.assertNotIn("after a restart", server.errors())
            client.command("RCPT TO:<a@new.example>", 250)
            client.command("RCPT TO:<a@sub.local.example>", DENIED)
        self.assertEqual(local.wait_messages(1)[0].recipients, [LOCAL])

    # --- trusted networks ---

    def trust(self, tls="required", login=PRINTERS):
        return f'[[trusted_network]]\nnetworks = ["{TRUSTED}/32"]\nlogin = "{login}"\ntls = "{tls}"\n'

    def test_a_trusted_network_is_its_login(self):
        local, outer = self.sink(name="local"), self.sink(name="outer")
        server = self.serve(local.address, [outer.address], self.trust())
        wait_until(lambda: "has no record" in server.errors(), "a line about the login that is not there")
        with server.client(user=None, source=TRUSTED) as client:
            client.command(f"MAIL FROM:<{PRINTERS}>", 530)
            self.user(server, "add", PRINTERS, "--no-password", "--rate", "3 messages/day", "--recipients", "2",
                      "--message-bytes", "5K", "--connections", "1")
            client.command(f"MAIL FROM:<{USER}>", "553 5.7.1")
            client.command(f"MAIL FROM:<{PRINTERS}> SIZE=6000", 552)
            client.submit(MESSAGE, sender=PRINTERS)
            client.submit(MESSAGE, [RECIPIENT, LOCAL], PRINTERS)
            client.command(f"MAIL FROM:<{PRINTERS}>", 250)
            for code in (250, 250, 452):
                client.command(f"RCPT TO:<{RECIPIENT}>", code)
            client.command("RSET", 250)
            client.submit(MESSAGE, sender=PRINTERS)
            self.assertIn("of this login", client.command(f"MAIL FROM:<{PRINTERS}>", 450)[0])
            with server.client(user=None, source=TRUSTED) as second:
                second.command("NOOP", 250)
                second.command(f"MAIL FROM:<{PRINTERS}>", "421 4.7.0 Too many connections")
                second.expect_end()
            # It may log in all the same, and is then somebody else.
            client.command("AUTH PLAIN " + sasl_plain(USER, PASSWORD), 235)
            client.command(f"MAIL FROM:<{PRINTERS}>", 553)
            client.submit(MESSAGE)
        # Others are not trusted.
        with server.client(user=None) as client:
            client.command(f"MAIL FROM:<{PRINTERS}>", 530)
        receptions = server.wait_events("Reception", 4)
        self.assertEqual([event["login"] for event in receptions], [PRINTERS] * 3 + [USER])
        self.assertEqual([event["reception_protocol"] for event in receptions], ["ESMTPS"] * 3 + ["ESMTPSA"])
        header = outer.wait_messages(4)[0].header
        self.assertRegex(header, rb"(?s)^Received: from client\.example \(\[127\.0\.0\.2\]\).*with ESMTPS \(TLS")
        def refused():
            return [event for event in server.events("Rejection") if event["response"]["code"] == 530]
        wait_until(lambda: len(refused()) == 2, "the second refusal's event")
        trusted, stranger = refused()
        self.assertIn(f"trusted to be {PRINTERS}", trusted["detail"])
        self.assertNotIn("detail", stranger)

    def test_a_trusted_network_and_tls(self):
        local = self.sink(name="local")
        server = self.serve(local.address, trusted=self.trust())
        self.user(server, "add", PRINTERS, "--no-password")

        def in_the_clear():
            client = server.raw(source=TRUSTED)
            client.expect(220)
            client.command("EHLO printer.example", 250)
            return client
        with in_the_clear() as client:
            client.command(f"MAIL FROM:<{PRINTERS}>", "530 5.7.0 Must issue a STARTTLS command first")
            client.starttls()
            client.command("EHLO printer.example", 250)
            client.submit(MESSAGE, sender=PRINTERS)
        # Port 25 takes it for anybody until then.
        with self.stranger(server, source=TRUSTED) as client:
            client.command(f"MAIL FROM:<{STRANGER}>", 250)
            client.command(f"RCPT TO:<{RECIPIENT}>", DENIED)
            client.command("RSET", 250)
            client.starttls()
            client.command("EHLO printer.example", 250)
            client.command(f"MAIL FROM:<{STRANGER}>", 553)
            client.submit(MESSAGE, sender=PRINTERS)
        self.write(server.site, local.address, trusted=self.trust("optional"))
        server.signal(signal.SIGHUP)
        wait_until(lambda: any("reload:" in event["detail"] for event in server.events("Admin")), "the reload")
        with in_the_clear() as client:
            client.submit(MESSAGE, sender=PRINTERS)
            # Without its network the session ends.
            self.write(server.site, local.address)
            server.signal(signal.SIGHUP)
            wait_until(lambda: sum("reload:" in event["detail"] for event in server.events("Admin")) == 2, "a second one")
            client.command("NOOP", "421 4.7.0")
            client.expect_end()
        with in_the_clear() as client:
            client.command(f"MAIL FROM:<{PRINTERS}>", 530)
        self.assertEqual([event["reception_protocol"] for event in server.wait_events("Reception", 3)],
                         ["ESMTPS", "ESMTPS", "ESMTP"])

    def test_a_trusted_login_that_is_suspended(self):
        local = self.sink(name="local")
        server = self.serve(local.address, trusted=self.trust("optional"))
        self.user(server, "add", PRINTERS, "--no-password")
        with server.client(user=None, source=TRUSTED) as client:
            client.command(f"MAIL FROM:<{PRINTERS}>", 250)
            self.user(server, "suspend", PRINTERS)
            client.command(f"RCPT TO:<{RECIPIENT}>", "421 4.7.0")
            client.expect_end()
        with server.client(user=None, source=TRUSTED) as client:
            for command in (f"MAIL FROM:<{PRINTERS}>", f"RCPT TO:<{LOCAL}>", "DATA", "VRFY x", "EXPN x"):
                client.command(command, "530 5.7.0")
            self.user(server, "resume", PRINTERS)
            client.command(f"MAIL FROM:<{PRINTERS}>", 250)
            # A record that names other networks ends it, and does not let it in from here.
            self.user(server, "set", PRINTERS, "--network", "192.0.2.0/24")
            client.command("RSET", "421 4.7.0")
            client.expect_end()
        with self.stranger(server, source=TRUSTED) as client:
            client.command(f"MAIL FROM:<{PRINTERS}>", 250)
            client.command(f"RCPT TO:<{RECIPIENT}>", DENIED)
            client.command("RSET", 250)
            client.submit(MESSAGE, [LOCAL], PRINTERS)
        self.assertNotIn("login", server.wait_events("Reception")[0])

    def test_trust_and_relay_do_not_wait_for_a_dovecot_server(self):
        local = self.sink(name="local")
        server = self.serve(local.address, trusted=self.trust("optional"),
                            auth={"backend": "dovecot", "dovecot_socket": "nobody-is-there"})
        self.user(server, "add", PRINTERS, "--no-password")
        with server.client(user=None, source=TRUSTED) as client:
            client.command("AUTH PLAIN " + sasl_plain(USER, PASSWORD), "454 4.7.0")
            client.command(f"MAIL FROM:<{USER}>", 553)
            client.submit(MESSAGE, [LOCAL], PRINTERS)
        with self.stranger(server) as client:
            client.submit(MESSAGE, [LOCAL], STRANGER)
        self.assertEqual([event.get("login") for event in server.wait_events("Reception", 2)], [PRINTERS, None])

    def test_check_tells(self):
        site = self.site()
        self.write(site, "127.0.0.1:25", trusted='[[trusted_network]]\nnetworks = ["198.51.100.0/24", "10.0.0.0/8"]\n'
                   f'login = "{PRINTERS}"\n')
        said = self.check(site)
        self.assertIn("198.51.100.0/24 is no private network", said)
        self.assertNotIn("10.0.0.0/8", said)
        self.assertIn(f"{PRINTERS} has no record", said)
        self.write(site, "127.0.0.1:25", trusted='[[trusted_network]]\nnetworks = ["0.0.0.0/0"]\nlogin = "x"\n')
        self.assertIn("this would be an open relay", self.check(site))
        self.assertEqual(site.serve_and_fail()[0], 78)
        self.write(site, "127.0.0.1:25")
        text = site.config.read_text()
        site.config.write_text(text[:text.index("[[local_domain]]")])
        self.assertIn("there is none", self.check(site))
        self.assertEqual(site.serve_and_fail()[0], 78)


if __name__ == "__main__":
    unittest.main()
