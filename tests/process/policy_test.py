"""What a login may do: for whom it may act, how much it may send, from where, and what it may write in From."""
import base64
import re
import subprocess
import time
import unittest

import support
from support import PASSWORD, RECIPIENT, SLUICE, USER, sasl_plain, wait_until

OTHER = "bob@example.net"
FRONT = "webmail"
MESSAGE = b"From: %s\r\nSubject: x\r\n\r\ntext\r\n"


def message(sender, extra=b""):
    return extra + MESSAGE % sender.encode()


class PolicyTest(support.TestCase):
    def user(self, server, *arguments, ok=True):
        result = subprocess.run([SLUICE, "user", *arguments, "--config", server.config], capture_output=True, text=True,
                                timeout=support.PATIENCE, stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode == 0, ok, result.stderr)
        return result.stdout if ok else result.stderr

    def users(self):
        return ((USER, PASSWORD, ()), (OTHER, PASSWORD, ()), ("zoe", PASSWORD, ("--address", "zoe@example.net")),
                (FRONT, PASSWORD, ("--acts-for", "@example.net", "--acts-for", "zoe")))

    # --- acting for others ---

    def test_an_authorization_identity(self):
        server = self.server(users=self.users())
        with server.client(user=None) as client:
            as_other = base64.b64encode(f"{OTHER}\0{FRONT}\0{PASSWORD}".encode()).decode()
            client.command("AUTH PLAIN " + as_other, 235)
            client.submit(message(OTHER), sender=OTHER)
            client.command(f"MAIL FROM:<{USER}>", 553)
        reception = server.wait_events("Reception")[0]
        self.assertEqual((reception["login"], reception["actor"]), (OTHER, FRONT))
        with server.client(user=None) as client:
            client.command("AUTH PLAIN " + base64.b64encode(f"{USER}\0{OTHER}\0{PASSWORD}".encode()).decode(), 535)
        self.assertEqual([event["detail"] for event in server.wait_events("Auth", 2) if "detail" in event],
                         ["proved, but it may not act for whom it asked to"])

    def test_mail_names_its_submitter(self):
        server = self.server(users=self.users())
        with server.client(user=FRONT) as client:
            for sender, login in ((USER, USER), (OTHER, OTHER), ("zoe@example.net", "zoe")):
                client.command(f"MAIL FROM:<{sender}> AUTH={login}", 250)
                client.command(f"RCPT TO:<{RECIPIENT}>", 250)
                client.command("DATA", 354)
                client.send(message(sender) + b".\r\n")
                client.expect(250)
            client.command(f"MAIL FROM:<{USER}> AUTH={OTHER}", 553)  # that submitter's senders count
            client.command("MAIL FROM:<nobody@example.net> AUTH=nobody@example.net", 550)
            client.command(f"MAIL FROM:<{USER}> AUTH=erin@example.org", 553)  # may not say so: as AUTH=<>, and it is webmail
        self.assertEqual([event["login"] for event in server.wait_events("Reception", 3)], [USER, OTHER, "zoe"])
        with server.client(user=USER) as client:
            for name in (OTHER, "bob@localhost", "zoe"):
                client.command(f"MAIL FROM:<{USER}> AUTH={name}", 250)  # not believed, and its own address all the same
                client.command("RSET", 250)
            client.command(f"MAIL FROM:<{OTHER}> AUTH={OTHER}", 553)

    def test_each_submitter_of_a_session_has_its_own_limits(self):
        front = "webmail@example.net"
        server = self.server(users=((USER, PASSWORD, ("--rate", "2 messages/minute")), (OTHER, PASSWORD, ("--rate", "3 messages/minute")),
                                    (front, PASSWORD, ("--acts-for", "@example.net", "--rate", "1 messages/minute"))))
        over = "450 4.7.1 Throttling failure: more than %d messages/minute of this login"
        def mail(login, code, name=True):
            client.command(f"MAIL FROM:<{login}>" + f" AUTH={login}" * name, code)
            if code != 250:
                return
            client.command(f"RCPT TO:<{RECIPIENT}>", 250)
            client.command("DATA", 354)
            client.send(message(login) + b".\r\n")
            client.expect(250)
        with server.client(user=front) as client:
            for _ in range(2):
                mail(USER, 250)
            mail(USER, over % 2)
            mail(OTHER, 250)
            mail(front, 250, name=False)  # what it brought of others' is not counted as its own
            for name in (True, False):
                mail(front, over % 1, name)
            for _ in range(2):  # nor does its own limit bound them
                mail(OTHER, 250)
            mail(OTHER, over % 3)
            mail(USER, over % 2)
        with server.client() as client:
            mail(USER, over % 2, name=False)  # one count, whoever brings the mail
        def seen(kind, count):
            return [(event["login"], event.get("actor")) for event in server.wait_events(kind, count)]
        self.assertEqual(seen("Reception", 6), [(USER, front)] * 2 + [(OTHER, front), (front, None)] + [(OTHER, front)] * 2)
        self.assertEqual(seen("Rejection", 6), [(USER, front), (front, None), (front, None), (OTHER, front), (USER, front), (USER, None)])

    # --- mechanisms ---

    def test_a_mechanism_that_is_not_the_logins(self):
        server = self.server(users=((USER, PASSWORD, ("--mechanism", "LOGIN")),))
        with server.client(user=None) as client:
            client.command("AUTH PLAIN " + sasl_plain(USER, "wrong"), "535 5.7.8")
            client.command("AUTH PLAIN " + sasl_plain(USER, PASSWORD), "534 5.7.9")
            client.command("AUTH LOGIN " + base64.b64encode(USER.encode()).decode(), 334)
            client.command(base64.b64encode(PASSWORD.encode()).decode(), 235)
        details = [event.get("detail") for event in server.wait_events("Auth", 3)]
        self.assertEqual(details, [None, "proved, but by a mechanism that the login may not use", None])
        self.assertIn("no mechanism", self.user(server, "set", USER, "--mechanism", "NTLM", ok=False))

    def test_a_key_that_is_missing(self):
        site = self.site()  # the record has no key for CRAM-MD5
        for tell, code in ((False, "535 5.7.8"), (True, "432 4.7.12")):
            site.write_config(auth={"mechanisms": ["CRAM-MD5", "PLAIN"], "tell_transition": tell})
            server = site.start()
            def cram(name):
                with server.client(user=None) as client:
                    client.command("AUTH CRAM-MD5", 334)
                    client.send(base64.b64encode(f"{name} {'0' * 32}".encode()) + b"\r\n")
                    return client.reply()[0]
            self.assertTrue(cram(USER).startswith(code), code)
            self.assertTrue(cram("nobody@example.net").startswith("535 5.7.8"))
            if tell:
                server.client().close()  # PLAIN adds it
                wait_until(lambda: cram(USER).startswith("535"), "the key")
            server.stop()

    # --- limits ---

    def test_rates_hold_and_outlive_a_kill(self):
        server = self.server(users=self.users(), login_limits={"rates": ["3 messages/hour", "5 recipients/hour"]})
        with server.client() as client:
            for _ in range(2):
                client.submit(message(USER))
            client.command(f"MAIL FROM:<{USER}>", 250)
            for _ in range(3):
                client.command(f"RCPT TO:<{RECIPIENT}>", 250)
            client.command(f"RCPT TO:<{RECIPIENT}>",
                           "450 4.7.1 Throttling failure: more than 5 recipients/hour of this login; try again after 20")
            client.command("DATA", 354)
            client.send(message(USER) + b".\r\n")
            client.expect(250)  # those that were taken stand
            said = client.command(f"MAIL FROM:<{USER}>", 450)
            self.assertRegex(said[0], r"more than 3 messages/hour of this login; try again after 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
        with server.client(user=OTHER) as client:
            client.submit(message(OTHER), sender=OTHER)  # somebody else's count is apart
        time.sleep(2.5)  # counts are written once a second
        server.kill()
        server = server.site.start()
        with server.client() as client:
            client.command(f"MAIL FROM:<{USER}>", 450)
            self.user(server, "set", USER, "--rate", "4 messages/hour", "--rate", "100 recipients/hour")
            client.submit(message(USER))  # its own limit counts from the next command on
            client.command(f"MAIL FROM:<{USER}>", 450)
            self.user(server, "set", USER, "--rate", "")
            client.command(f"MAIL FROM:<{USER}>", 450)  # the common one again
        self.assertEqual({event["response"]["code"] for event in server.wait_events("Rejection")}, {450})

    def test_a_refused_message_does_not_count(self):
        server = self.server(users=self.users(), login_limits={"rates": ["1 messages/day", "1K bytes/day"]})
        with server.client() as client:
            client.command(f"MAIL FROM:<{USER}> SIZE=2000", 552)  # it would never fit
            client.command(f"MAIL FROM:<{USER}>", 250)
            client.command(f"RCPT TO:<{RECIPIENT}>", 250)
            client.command("DATA", 354)
            client.send(message(USER) + b"x" * 2000 + b"\r\n.\r\n")
            client.expect(552)
            client.command(f"MAIL FROM:<{USER}>", 250)
            client.command("RSET", 250)
            client.submit(message(USER))
            client.command(f"MAIL FROM:<{USER}>", 450)

    def test_tenants_and_the_server(self):
        server = self.server(users=((USER, PASSWORD, ()), (OTHER, PASSWORD, ("--tenant", "acme"))),
                             tenant=[{"name": "acme", "rates": ["2 messages/day"]}], server_limits={"rates": ["3 messages/day"]})
        with server.client(user=OTHER) as client:
            for _ in range(2):
                client.submit(message(OTHER), sender=OTHER)
            self.assertIn("of this tenant", client.command(f"MAIL FROM:<{OTHER}>", 450)[0])
        with server.client() as client:
            client.submit(message(USER))
            self.assertIn("of this server", client.command(f"MAIL FROM:<{USER}>", 450)[0])

    def test_connections_at_a_time(self):
        server = self.server(users=self.users(), login_limits={"connections": 2})
        with server.client(), server.client():
            with server.client(user=None) as third:
                third.command("AUTH PLAIN " + sasl_plain(USER, PASSWORD), "421 4.7.0")
                third.expect_end()
            server.client(user=OTHER).close()
        def free():
            with server.client(user=None) as client:
                client.send(f"AUTH PLAIN {sasl_plain(USER, PASSWORD)}\r\n".encode())
                return client.reply()[0].startswith("235")
        wait_until(free, "a place for another connection")

    def test_a_connection_limit_that_is_set_later_counts_sessions_that_are_there(self):
        server = self.server(users=self.users())
        with server.client(), server.client():
            self.user(server, "set", USER, "--connections", "2")
            with server.client(user=None) as third:
                third.command("AUTH PLAIN " + sasl_plain(USER, PASSWORD), "421 4.7.0")
                third.expect_end()

    def test_mail_brought_for_a_login_is_no_connection_of_its(self):
        server = self.server(users=self.users(), login_limits={"connections": 2})
        with server.client(user=FRONT) as one, server.client(user=FRONT) as two:
            for client in (one, two):
                client.command(f"MAIL FROM:<{USER}> AUTH={USER}", 250)
            with server.client(), server.client():
                pass  # both places are its own

    def test_networks_that_are_set_later_end_sessions(self):
        server = self.server(users=self.users())
        with server.client() as client, server.client(user=FRONT) as front:
            self.user(server, "set", USER, "--network", "10.0.0.0/8")
            client.command("NOOP", "421 4.7.0 Login no longer valid")
            client.expect_end()
            front.command(f"MAIL FROM:<{USER}> AUTH={USER}", 250)  # its own networks count
        with server.client(user=None) as client:
            client.command("AUTH PLAIN " + sasl_plain(USER, PASSWORD), 535)

    def test_bounds_of_a_tenant(self):
        tenant = {"name": "acme", "recipients": 2, "message_bytes": "2K"}
        server = self.server(users=((USER, PASSWORD, ("--tenant", "acme", "--recipients", "1", "--message-bytes", "5K")),
                                    (OTHER, PASSWORD, ("--tenant", "acme", "--network", "127.0.0.0/8"))), tenant=[tenant])
        for user, recipients in ((USER, 1), (OTHER, 2)):
            with server.client(user=user) as client:
                client.command(f"MAIL FROM:<{user}> SIZE=3000", 552)
                client.command(f"MAIL FROM:<{user}>", 250)
                for _ in range(recipients):
                    client.command(f"RCPT TO:<{RECIPIENT}>", 250)
                client.command(f"RCPT TO:<{RECIPIENT}>", 452)
                client.command("DATA", 354)
                client.send(message(user) + b"x" * 3000 + b"\r\n.\r\n")
                client.expect(552)
        server.stop()
        server.site.write_config(tenant=[tenant | {"networks": ["192.0.2.0/24"]}])
        server = server.site.start()
        seen = len(server.events("Auth"))
        with server.client(user=None) as client:
            client.command("AUTH PLAIN " + sasl_plain(OTHER, PASSWORD), "535 5.7.8")
        self.assertEqual(server.wait_events("Auth", seen + 1)[-1]["detail"], "proved, but not from a network of its tenant's")

    def test_check_tells_of_tenants_that_are_not_there(self):
        site = self.site(users=((USER, PASSWORD, ()), (OTHER, PASSWORD, ("--tenant", "acme"))), tenant=[{"name": "acme"}])
        def check():
            result = subprocess.run([SLUICE, "check", "--config", site.config], capture_output=True, text=True, timeout=support.PATIENCE)
            self.assertEqual(result.returncode, 0, result.stderr)
            return [line for line in result.stderr.splitlines() if "tenant" in line]
        self.assertEqual(check(), [])
        site.write_config()
        [said] = check()
        self.assertIn(f'1 user is of a tenant that has no [[tenant]], and so without a tenant\'s limits: {OTHER} is of "acme"', said)

    def test_bounds_of_one_login(self):
        server = self.server(users=((USER, PASSWORD, ("--recipients", "2", "--message-bytes", "2K",
                                                      "--network", "192.0.2.0/24", "--network", "127.0.0.0/8")),
                                    (OTHER, PASSWORD, ("--network", "192.0.2.0/24"))))
        with server.client() as client:
            client.command(f"MAIL FROM:<{USER}> SIZE=3000", 552)
            client.command(f"MAIL FROM:<{USER}>", 250)
            client.command(f"RCPT TO:<{RECIPIENT}>", 250)
            client.command(f"RCPT TO:<{RECIPIENT}>", 250)
            client.command(f"RCPT TO:<{RECIPIENT}>", 452)
            client.command("DATA", 354)
            client.send(message(USER) + b"x" * 3000 + b"\r\n.\r\n")
            client.expect(552)
        with server.client(user=None) as client:
            client.command("AUTH PLAIN " + sasl_plain(OTHER, PASSWORD), 535)
        failed = [event for event in server.wait_events("Auth", 2) if "detail" in event]
        self.assertEqual(failed[0]["detail"], "proved, but not from a network of the login's")

    def test_suspended(self):
        server = self.server(users=self.users())
        with server.client() as client:
            self.user(server, "suspend", USER)
            client.command("NOOP", "421 4.7.0")
            client.expect_end()
        with server.client(user=None) as client:
            client.command("AUTH PLAIN " + sasl_plain(USER, PASSWORD), 535)
        self.assertIn("suspended", self.user(server, "show", USER))
        self.user(server, "resume", USER)
        server.client().close()

    # --- From and Sender ---

    def test_originators(self):
        sink = self.sink()
        server = self.server(next_hop=[sink.address], submission={"originator": "reject", "detail_delimiter": "+"})
        with server.client() as client:
            client.submit(message(USER))
            client.submit(message("Alice+lists@Example.net"), sender="alice+x@example.net")
            for extra, text in ((b"", OTHER), (b"Sender: <" + OTHER.encode() + b">\r\n", USER), (b"", f"{USER}, {OTHER}"),
                                (b"", "nonsense")):
                client.begin()
                client.send(message(text, extra) + b".\r\n")
                client.expect("550 5.7.1")
            client.begin()
            client.send(b"Subject: x\r\n\r\ntext\r\n.\r\n")
            client.expect(550)
            big = message(OTHER) + (b"x" * 70 + b"\r\n") * 5000  # refused when the first part is there
            client.begin()
            client.send(big + b".\r\n")
            client.expect(550)
        self.assertEqual(len(sink.wait_messages(2)), 2)

    def test_originators_with_letters_beyond_ascii(self):
        sink = self.sink()
        server = self.server(next_hop=[sink.address], submission={"originator": "reject"})
        self.user(server, "set", USER, "--address", USER, "--address", "josé@bücher.example")
        with server.client() as client:
            for same in ("josé@bücher.example", "JOSE\u0301@XN--BCHER-KVA.example", '"josé"@BÜCHER.example'):
                client.submit(message(same))
            for other in ("jose@bücher.example", "josé@bucher.example"):
                client.begin()
                client.send(message(other) + b".\r\n")
                client.expect("550 5.7.1")
        self.assertEqual(len(sink.wait_messages(3)), 3)

    def test_logins_with_letters_beyond_ascii(self):
        server = self.server(users=self.users())
        self.user(server, "add", "josé@bücher.example", "--no-password")
        self.user(server, "set", FRONT, "--acts-for", "@bücher.example")
        for name in ("josé@bücher.example", "José@xn--bcher-kva.example"):
            with server.client(user=None) as client:
                proof = base64.b64encode(f"{name}\0{FRONT}\0{PASSWORD}".encode()).decode()
                client.command(f"AUTH PLAIN {proof}", 235)
                client.command("MAIL FROM:<x@xn--bcher-kva.example>", "553 5.7.1")
        self.assertIn("exists", self.user(server, "add", "josé@xn--bcher-kva.example", "--no-password", ok=False))

    def test_originators_rewritten(self):
        sink = self.sink()
        server = self.server(next_hop=[sink.address], submission={"originator": "rewrite"})
        with server.client() as client:
            client.submit(message(USER))
            client.submit(message(OTHER, b"Sender: <erin@example.org>,\r\n <x@y.example>\r\n"))
        own, others = sorted(sink.wait_messages(2), key=lambda stored: b"\r\nSender:" in stored.content)
        self.assertNotIn(b"Sender:", own.content)
        self.assertEqual(re.findall(rb"(?im)^sender: *([^\r\n]*)", others.content), [USER.encode()])
        self.assertIn(b"From: " + OTHER.encode(), others.content)

    def test_what_is_wrong_is_told(self):
        server = self.server(users=self.users())
        for arguments, words in ((("--rate", "lots"), "no rate"), (("--network", "192.0.2.1/24"), "no network"),
                                 (("--rate", "1 messages/day", "--rate", "2 messages/day"), "of the kind"),
                                 (("--acts-for", "@"), "no login"), (("--message-bytes", "x"), "no size"),
                                 (("--recipients", "-1"), "no number")):
            said = self.user(server, "set", USER, *arguments, ok=False)
            self.assertIn(words, said)
            self.assertIn(arguments[0], said)


if __name__ == "__main__":
    unittest.main()
