"""The event log of the real server: what happened to mail and logins, every field of it.

core/server/EVENTS.md is the schema. Here a line is compared whole, so that a field that is lost, or one that nobody has
written down, is seen.
"""
import base64
import time

import support
from support import PASSWORD, RECIPIENT, SENDER, USER, sasl_plain, wait_until

MESSAGE = b"Subject: a test\r\n\r\ntext\r\n"
TLS = {"tls_protocol_version": "TLSv1.3", "tls_cipher": "TLS_AES_128_GCM_SHA256"}  # what our side chooses as server
TLS_OUT = TLS | {"tls_cipher": "TLS_AES_256_GCM_SHA384"}  # what Python's does


def reply(code, enhanced, content, command=None):
    parts = dict(zip(("class", "subject", "detail"), map(int, enhanced.split("."))))
    found = {"code": code, "enhanced_code": parts, "content": content}
    return found | ({"command": command} if command else {})


class EventsTest(support.TestCase):
    def stable(self, event):
        """What can be known beforehand; the rest is looked at here."""
        event = dict(event)
        self.assertEqual(event.pop("v"), 1)
        for seconds, text in (("timestamp", "event_time"), ("created", "created_time")):
            if seconds == "created" and seconds not in event:
                continue
            self.assertAlmostEqual(event[seconds], time.time(), delta=120)
            self.assertRegex(event[text], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertEqual(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(event.pop(seconds))), event.pop(text)[:19])
        if "session_id" in event:
            self.assertRegex(event.pop("session_id"), r"^[0-9a-f]{16}$")
            self.assertGreater(event["peer_address"].pop("port"), 0)
        return event

    def inbound(self, **fields):
        return {"peer_address": {"name": "client.example", "addr": "127.0.0.1"}, "reception_protocol": "ESMTPSA",
                "login": USER, **TLS, **fields}

    def outbound(self, hop, **fields):
        return {"peer_address": {"addr": "127.0.0.1", "port": hop.port}, "delivery_protocol": "ESMTP", "login": USER,
                "sender": SENDER, "site": hop.address, "num_attempts": 1, **fields}

    # --- mail ---

    def test_each_recipient_has_its_own_reply(self):
        replies = {"later@": "450 4.2.1 Mailbox busy", "ghost@": "550 5.1.1 No such user",
                   "spook@": "550 5.1.1 No such user", "gone@": "551 Moved away"}

        def rule(event, text, hop):
            if event == ".":
                return "250 2.0.0 Ok: queued as 4F2A"
            return next((said for name, said in replies.items() if name in text), None) if event == "RCPT" else None
        site = self.site(queue={"retry_min": "1h", "retry_max": "1h"})
        hop = self.hop(rule, tls=(site.folder / "cert.pem", site.folder / "key.pem"))
        site.write_config(next_hop=[hop.address], queue={"retry_min": "1h", "retry_max": "1h"})
        server = site.start()
        to = [RECIPIENT] + [name + "example.org" for name in replies]
        with server.client() as client:
            queue_id = client.submit(MESSAGE, to)
        deliveries = server.wait_events("Delivery", 2)

        reception = self.stable(server.events("Reception")[0])
        size = reception["size"]
        self.assertEqual(reception, self.inbound(type="Reception", id=queue_id, sender=SENDER, recipient=to, size=size,
                                                 response={"code": 250}))
        self.assertGreater(size, len(MESSAGE) - 1)

        sent = {"id": queue_id, "size": len(hop.messages[0].content)} | TLS_OUT | {"delivery_protocol": "ESMTPS"}
        self.assertEqual(self.stable(deliveries[0]), self.outbound(
            hop, type="Delivery", recipient=RECIPIENT, response=reply(250, "2.0.0", "Ok: queued as 4F2A"), **sent))
        self.assertEqual([self.stable(event) for event in server.events("TransientFailure")], [self.outbound(
            hop, type="TransientFailure", recipient=to[1], response=reply(450, "4.2.1", "Mailbox busy"), **sent)])

        bounces = server.events("Bounce")
        bounce_id = bounces[0]["bounce_id"]
        self.assertNotEqual(bounce_id, queue_id)
        self.assertEqual([self.stable(event) for event in bounces], [
            self.outbound(hop, type="Bounce", recipient=[to[2], to[3]], bounce_id=bounce_id,
                          response=reply(550, "5.1.1", "No such user"), **sent),
            self.outbound(hop, type="Bounce", recipient=to[4], bounce_id=bounce_id,
                          response={"code": 551, "content": "Moved away"}, **sent)])

        # The report is a message of its own, without a login.
        expected = self.outbound(hop, type="Delivery", recipient=SENDER, **sent,
                                 response=reply(250, "2.0.0", "Ok: queued as 4F2A"))
        del expected["login"]
        expected |= {"id": bounce_id, "sender": "", "size": len(hop.messages[1].content)}
        self.assertEqual(self.stable(deliveries[1]), expected)

    def test_what_is_dropped_says_so(self):
        hop = self.hop(lambda event, text, hop: "550 5.7.1 Not wanted" if event == "MAIL" else None)
        server = self.server(next_hop=[hop.address])
        with server.client() as client:
            queue_id = client.submit(MESSAGE, sender="")
        bounce = self.stable(server.wait_events("Bounce")[0])
        self.assertEqual(bounce, self.outbound(
            hop, type="Bounce", id=queue_id, sender="", recipient=RECIPIENT, size=bounce["size"],
            response=reply(550, "5.7.1", "Not wanted"), detail="dropped: a null sender gets no report"))

    def test_a_next_hop_that_cannot_be_reached_is_no_reply(self):
        port = support.free_port()
        server = self.server(next_hop=[f"127.0.0.1:{port}"], queue={"retry_min": "1h", "retry_max": "1h"})
        with server.client() as client:
            queue_id = client.submit(MESSAGE)
        event = self.stable(server.wait_events("TransientFailure")[0])
        self.assertEqual(event, {
            "type": "TransientFailure", "id": queue_id, "sender": SENDER, "recipient": RECIPIENT, "login": USER,
            "size": event["size"], "num_attempts": 1,
            "detail": f"no next hop can be reached; connect to 127.0.0.1:{port}: Connection refused"})

    def test_a_connection_that_is_lost_names_the_next_hop(self):
        def rule(event, text, hop):
            if event == ".":
                raise support.Hangup()
        hop = self.hop(rule)
        server = self.server(next_hop=[hop.address], queue={"retry_min": "1h", "retry_max": "1h"})
        with server.client() as client:
            queue_id = client.submit(MESSAGE)
        event = self.stable(server.wait_events("TransientFailure")[0])
        self.assertEqual(event, self.outbound(
            hop, type="TransientFailure", id=queue_id, recipient=RECIPIENT, size=event["size"],
            detail=f"{hop.address} closed the connection"))

    def test_what_is_too_old_has_the_last_reply(self):
        hop = self.hop(lambda event, text, hop: "451 4.3.0 Later" if event == "RCPT" and RECIPIENT in text else None)
        server = self.server(next_hop=[hop.address], queue={"retry_min": "1s", "retry_max": "1s", "expire": "2s"})
        with server.client() as client:
            queue_id = client.submit(MESSAGE)
        event = self.stable(server.wait_events("Expiration")[0])
        self.assertGreater(event["num_attempts"], 1)
        self.assertEqual(event, self.outbound(
            hop, type="Expiration", id=queue_id, recipient=RECIPIENT, size=event["size"], bounce_id=event["bounce_id"],
            num_attempts=event["num_attempts"], response=reply(451, "4.3.0", "Later")))

    def test_discarded_mail_says_where_it_went(self):
        server = self.server()
        with server.client() as client:
            client.submit(MESSAGE)
        self.assertEqual(server.wait_events("Delivery")[0]["site"], "discard")

    # --- rejections ---

    def test_refusals_are_logged_where_they_tell_something(self):
        server = self.server(limits={"recipients": 2, "message_bytes": 1024, "errors": 50, "hops": 2})
        with server.client(user=None) as client:
            for command in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "DATA", "VRFY x"):
                client.command(command, 530)
            for command, code in (("NONSENSE", 530), ("EHLO", 501), ("AUTH CRAM-MD5", 504), ("MAIL", 530)):
                client.command(command, code)
        with server.client() as client:
            client.command("MAIL FROM:<mallory@example.org>", 553)
            client.command(f"RCPT TO:<{RECIPIENT}>", 503)
            client.command(f"MAIL FROM:<{SENDER}> SIZE=5000", 552)
            client.command(f"MAIL FROM:<{SENDER}>", 250)
            client.command("RCPT TO:<bob>", 553)
            for code in (250, 250, 452, 452, 452):
                client.command(f"RCPT TO:<{RECIPIENT}>", code)
            client.command("NONSENSE", 500)
            client.command("RSET", 250)
            for content, code in ((b"x" * 1500 + b"\r\n", 552), (b"Received: a\r\n" * 3 + b"\r\n", 554),
                                  (b"a\rb\r\n", 550), (b"a\0b\r\n", 550)):
                client.begin()
                client.send(content + b".\r\n")
                client.expect(code)
        wait_until(lambda: len(server.events("Rejection")) >= 10, lambda: f"10 rejections: {server.events('Rejection')}")
        anonymous = self.inbound(type="Rejection", reception_protocol="ESMTPS")
        del anonymous["login"]
        known = self.inbound(type="Rejection")
        sender = known | {"sender": SENDER}
        whole = sender | {"recipient": RECIPIENT}
        self.assertEqual([self.stable(event) for event in server.events("Rejection")], [
            anonymous | {"response": reply(530, "5.7.0", "Authentication required", "MAIL")},
            anonymous | {"response": reply(530, "5.7.0", "Authentication required", "MAIL")},
            known | {"sender": "mallory@example.org",
                     "response": reply(553, "5.7.1", "Sender address not owned by the authenticated user", "MAIL")},
            known | {"response": reply(552, "5.3.4", "Message exceeds the size limit", "MAIL")},
            sender | {"response": reply(553, "5.1.3", "Recipient address has no domain", "RCPT")},
            sender | {"response": reply(452, "4.5.3", "Too many recipients", "RCPT")},
            whole | {"response": reply(552, "5.3.4", "Message exceeds the size limit", ".")},
            whole | {"response": reply(554, "5.4.6", "Too many hops: mail loop", ".")},
            whole | {"response": reply(550, "5.6.0", "Bare CR in message: lines end in CR LF", ".")},
            whole | {"response": reply(550, "5.6.0", "NUL in message", ".")}])
        self.assertEqual(sum(server.stats()["replies_total"][c] for c in ("4xx", "5xx")), 20, "those that are not written are counted")

    def test_the_end_of_a_session_is_logged(self):
        server = self.server(limits={"errors": 2, "idle_timeout": "1s"})
        with server.client(user=None) as client:
            for _ in range(3):
                client.command("NONSENSE", 530)
            client.expect("421 4.7.0")
        with server.client(user=None) as client:
            client.expect("421 4.4.2")
        ends = [self.stable(event) for event in server.wait_events("Rejection", 2)]
        anonymous = self.inbound(type="Rejection", reception_protocol="ESMTPS")
        del anonymous["login"]
        self.assertEqual(ends, [anonymous | {"response": reply(421, "4.7.0", "Too many errors")},
                                anonymous | {"response": reply(421, "4.4.2", "Timeout, closing connection")}])

    def test_a_password_in_clear_is_a_rejection(self):
        site = self.site()
        site.write_config(listeners=[(f"127.0.0.1:{site.starttls_port}", "starttls")])
        server = site.start()
        with server.raw() as client:
            client.expect(220)
            client.command("EHLO client.example", 250)
            client.command("AUTH PLAIN " + sasl_plain(USER, PASSWORD), "538 5.7.11")
        self.assertEqual(self.stable(server.wait_events("Rejection")[0]), {
            "type": "Rejection", "peer_address": {"name": "client.example", "addr": "127.0.0.1"},
            "reception_protocol": "ESMTP", "response": reply(
                538, "5.7.11", "Encryption required for requested authentication mechanism", "AUTH")})

    # --- logins ---

    def auth(self, **fields):
        found = self.inbound(type="Auth", mechanism="PLAIN", reception_protocol="ESMTPS") | fields
        return {name: value for name, value in found.items() if value is not None}

    def test_logins(self):
        server = self.server(limits={"auth_failures": 3})
        no = reply(535, "5.7.8", "Authentication credentials invalid")
        with server.client() as client:
            client.command("QUIT", 221)
        with server.client(user=None) as client:
            client.command("AUTH PLAIN " + sasl_plain(USER, "wrong"), 535)
            client.command("AUTH PLAIN YQ==", 501)
            client.command("AUTH LOGIN", 334)
            client.command(base64.b64encode(b"my pass phrase").decode(), 334)
            client.command(base64.b64encode(USER.encode()).decode(), 535)
            client.command("AUTH PLAIN " + sasl_plain("nobody@example.net", "wrong"), "421 4.7.0")
        self.assertEqual([self.stable(event) for event in server.wait_events("Auth", 5)], [
            self.auth(response=reply(235, "2.7.0", "Authentication successful")),
            self.auth(response=no),
            self.auth(response=reply(501, "5.5.2", "Malformed authentication response"), login=None),
            self.auth(response=no, mechanism="LOGIN", login=None,
                      detail="the login is left out: it does not look like a name, and could be a password"),
            self.auth(response=reply(421, "4.7.0", "Too many failed logins"), login="nobody@example.net")])
        self.assertEqual(server.events("Rejection"), [])
        logins = server.stats()["logins_total"]
        none = {"success": 0, "rejected": 0, "malformed": 0, "temporary": 0, "abandoned": 0, "throttled": 0}
        self.assertEqual(logins["PLAIN"], none | {"success": 1, "rejected": 2, "malformed": 1})
        self.assertEqual(logins["LOGIN"], none | {"rejected": 1})

    def test_a_guesser_who_hangs_up_is_logged(self):
        server = self.server(auth={"failure_delay": "1m"})
        for number in range(1, 4):
            client = server.client(user=None)
            client.send(b"AUTH PLAIN " + sasl_plain(USER, "wrong").encode() + b"\r\n")
            # The verdict is known to us long before its answer would leave.
            wait_until(lambda: server.stats()["logins_total"]["PLAIN"]["rejected"] == number, "it is counted", seconds=10)
            client.reset()
        wait_until(lambda: server.stats()["connections_open"] == 0, "the connections are gone")
        failed = self.auth(response=reply(535, "5.7.8", "Authentication credentials invalid"))
        self.assertEqual([self.stable(event) for event in server.wait_events("Auth", 3)], [failed] * 3)

    # --- the server itself ---

    def test_a_start_after_a_crash_is_told(self):
        server = self.server(next_hop=[f"127.0.0.1:{support.free_port()}"])
        with server.client() as client:
            client.submit(MESSAGE)
        server.wait_events("Admin")
        server.kill()
        site = server.site
        again = site.start()
        wait_until(lambda: len(again.events("Admin")) >= 3, "the recovery is told")
        details = sorted(event["detail"] for event in again.events("Admin"))
        self.assertEqual(details[1:], ["start", "start"])
        self.assertRegex(details[0], r"^spool folder 0: 1 messages, \d+ KiB, \d+ segments, no clean end, ")


if __name__ == "__main__":
    support.main()
