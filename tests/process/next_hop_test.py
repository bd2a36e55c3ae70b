"""What next hops do to us: down, slow, silent, refusing, breaking off, talking nonsense, with and without TLS.

The rule behind all of it: an accepted message is delivered, deferred, or bounced to its sender; never lost, never sent
in the clear where TLS is required, and no next hop ends or bloats the server. The hop is support.Hop, whose answers
are ordered by a rule; Fault is the rule that most tests need.
"""
import email
import email.policy
import re
import socket
import ssl
import threading
import time
import warnings

import support
from support import Hangup, HOSTNAME, RECIPIENT, SENDER, wait_until

SUBJECT = "a test of next hops"
MESSAGE = f"Subject: {SUBJECT}\r\nX-Mark: \xe9t\xe9\r\n\r\ntext\r\n".encode("latin-1")
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 4 + b"\r\n"  # times as much as a test wants
PHASES = ("connect", "EHLO", "MAIL", "RCPT", "DATA", ".")
RECIPIENT_PHASES = PHASES[2:]  # what is said there is about the message, not about the hop
EXTENSIONS = (("PIPELINING", "8BITMIME", "SIZE"), ())
QUICK = {"retry_min": "200ms", "retry_max": "400ms"}
NEVER = {"retry_min": "1h", "retry_max": "1h"}
SOON = 8  # seconds: a few retries, and a hop's rest of one or two


def large_message(octets):
    return LARGE + b"0123456789abcdef\r\n" * (octets // 18)


class Fault:
    """A rule: at `event`, and where `text` matches, does `action` (a reply, or a function that gives one or raises), the
    first `times` times (None: always)."""

    def __init__(self, event, action, times=1, text=""):
        self.event, self.action, self.times, self.text = event, action, times, text
        self.used = 0
        self.seen = []  # events, in order
        self.lock = threading.Lock()

    def __call__(self, event, text, hop):
        with self.lock:
            self.seen.append(event)
            if event != self.event or (self.times is not None and self.used >= self.times):
                return None
            if self.text and not re.search(self.text, text):
                return None
            self.used += 1
        return self.action() if callable(self.action) else self.action


def hang_up(**how):
    def action():
        raise Hangup(**how)
    return action


class NextHopTestCase(support.TestCase):
    def setUp(self):
        super().setUp()
        self.silence = threading.Event()  # ends what a silent hop waits for
        self.addCleanup(self.silence.set)

    def stay_silent(self):
        self.silence.wait(120)
        raise Hangup

    def relay(self, *hops, queue=QUICK, relay=None, **settings):
        """A server with these next hops, which forgets a connection as soon as it is unused."""
        return self.server(next_hop=[hop.address for hop in hops], queue=queue,
                           relay={"idle_timeout": "0s"} | (relay or {}), **settings)

    def submit(self, server, content=MESSAGE, recipients=(RECIPIENT,), sender=SENDER):
        with server.client() as client:
            return client.submit(content, recipients, sender)

    def wait_no_connection(self, hop):
        wait_until(lambda: not hop.open, "the server lets go of its connection")

    def assert_events(self, server, kind, ids):
        """There is one such event, and no more than one, for each of these messages."""
        wait_until(lambda: len(server.events(kind)) >= len(ids), lambda: f"{kind} of {ids} in {server.events()}")
        self.assertEqual(sorted(event["id"] for event in server.events(kind)), sorted(ids))

    def assert_deferred(self, server, ids):
        """Each was deferred, and none was bounced."""
        def deferred():
            return {event["id"] for event in server.events("TransientFailure")}
        wait_until(lambda: deferred() >= set(ids), lambda: f"deferrals of {set(ids) - deferred()}")
        self.assertEqual(server.events("Bounce"), [])

    def assert_ends_well(self, server):
        """What has happened did no harm."""
        self.assertTrue(server.running(), f"the server ended with {server.process.returncode}")
        self.assertEqual(server.stop(), 0)


# --- down, and back ---------------------------------------------------------------------------------------------------


class DownTest(NextHopTestCase):
    def test_mail_waits_for_a_hop_that_is_down(self):
        port = support.free_port()
        server = self.server(next_hop=[f"127.0.0.1:{port}"], queue=QUICK)
        ids = [self.submit(server)]
        self.assert_deferred(server, ids)
        self.assertIn("Connection refused", server.queue()[0]["last_response"])
        hop = self.hop(port=port)
        self.assertEqual(hop.wait_messages(1)[0].sender, SENDER)
        server.wait_queue_empty()
        self.assert_events(server, "Delivery", ids)
        self.assertEqual(len(hop.messages), 1)

    def test_an_outage_under_load_is_over_soon_after_it_ended(self):
        """Many connections that fail together are one failure of the hop, not many in a row."""
        sink = self.sink("--fault", "end=100ms")
        server = self.server(next_hop=[sink.address], queue=QUICK)
        with server.client() as client:
            ids = [client.submit(MESSAGE) for _ in range(40)]
        sink.kill()
        with server.client() as client:
            ids += [client.submit(MESSAGE) for _ in range(40)]
        wait_until(lambda: server.stats()["messages_deferred_total"] >= 40, "all that is left is deferred")
        back = time.monotonic()
        self.sink(port=sink.port)
        server.wait_queue_empty(70)
        self.assertLess(time.monotonic() - back, 15, "the hop was back, and was left alone")
        self.assert_events(server, "Delivery", ids)

    def test_new_mail_does_not_wait_for_a_slow_hop(self):
        hop = self.hop(Fault(".", lambda: self.silence.wait(60) and None, times=None))
        server = self.relay(hop)
        with server.client() as client:
            for _ in range(50):
                client.submit(MESSAGE)
        self.assertEqual(hop.messages, [])
        self.silence.set()
        hop.wait_messages(50)
        server.wait_queue_empty()
        self.assertEqual(len(hop.messages), 50)
        self.assertEqual(server.stats()["messages_deferred_total"], 0)

    def test_replies_that_come_octet_by_octet(self):
        hop = DrippingHop()
        self.addCleanup(hop.close)
        server = self.relay(hop)
        self.submit(server)
        wait_until(lambda: hop.taken, "the message is taken")
        server.wait_queue_empty()
        self.assertEqual(server.stats()["messages_deferred_total"], 0)

    def test_a_kept_connection_that_was_lost_costs_no_deferral(self):
        for reset in (False, True):
            with self.subTest(reset=reset):
                hop = self.hop()
                server = self.server(f"kept{reset}", next_hop=[hop.address], queue=NEVER)
                with server.client() as client:
                    client.submit(MESSAGE)
                    hop.wait_messages(1)
                    hop.rule = Fault("MAIL", hang_up(reset=reset))
                    client.submit(MESSAGE)
                    hop.wait_messages(2)
                self.assertEqual(hop.connections, 2)
                self.assertEqual(server.stats()["messages_deferred_total"], 0)


class DrippingHop:
    """A hop for one connection whose replies are sent an octet a packet, and which knows no extension."""

    def __init__(self):
        self.taken = False
        self.listener = socket.create_server(("127.0.0.1", support.free_port()))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.close()

    def serve(self):
        connection, _ = self.listener.accept()
        connection.settimeout(support.PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def drip(text):
            for octet in text.encode() + b"\r\n":
                connection.sendall(bytes([octet]))
                time.sleep(0.002)  # so that each is a read of its own
        with connection, connection.makefile("rb") as lines:
            drip("220-hop.example\r\n220 ESMTP")
            for line in lines:
                if line == b"DATA\r\n":
                    drip("354 Go on")
                    while lines.readline() != b".\r\n":
                        pass
                    self.taken = True
                drip("250-2.0.0 Ok,\r\n250-2.0.0 indeed\r\n250 2.0.0 Ok")


# --- refusals ---------------------------------------------------------------------------------------------------------


class SubmitterTest(NextHopTestCase):
    """RFC 4954 section 5: who submitted a message is told to whom we have logged in to, and to nobody else."""

    def test_a_hop_that_offers_auth_is_told_nobody(self):
        said = []
        hop = self.hop(lambda event, text, hop: said.append(text) if event == "MAIL" else None,
                       extensions=("PIPELINING", "SIZE", "AUTH PLAIN LOGIN"))
        server = self.server(next_hop=[hop.address])
        with server.client() as client:
            client.submit(MESSAGE)
        hop.wait_messages(1)
        self.assertRegex(said[0], rf"^MAIL FROM:<{re.escape(SENDER)}> SIZE=\d+ AUTH=<>$")

    def test_a_hop_that_we_log_in_to(self):
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            with self.subTest(mechanism=mechanism):
                self.log_in(mechanism)

    def log_in(self, mechanism):
        sink = self.sink(name=f"sink-{mechanism}")
        users = (("relay@example.net", "relay secret", ("--acts-for", "*")), (SENDER, "x", ()))
        hub = self.server(f"hub-{mechanism}", users=users, next_hop=[sink.address],
                          auth={"mechanisms": [mechanism]})
        secret = self.folder / "relay-password"
        secret.write_text("relay secret\n")
        edge = self.server(f"edge-{mechanism}", next_hop=[f"127.0.0.1:{hub.site.starttls_port}"],
                           relay={"tls": "required", "username": "relay@example.net", "password_file": secret,
                                  "mechanism": mechanism})
        with edge.client() as client:
            client.submit(MESSAGE)
            client.command(f"MAIL FROM:<{SENDER}> AUTH=<>", 250)
            client.command("RSET", 250)
        sink.wait_messages(1)
        reception = hub.wait_events("Reception")[0]
        self.assertEqual((reception["login"], reception["actor"]), (SENDER, "relay@example.net"))
        secret.write_text("wrong\n")
        edge.stop()
        edge = edge.site.start()
        with edge.client() as client:
            client.submit(MESSAGE)
        waited = edge.wait_events("TransientFailure")[0]
        self.assertIn("refused our authentication: 535", waited["detail"])
        secret.unlink()
        edge.stop()
        code, said = edge.site.serve_and_fail()
        self.assertNotEqual(code, 0)
        self.assertIn("relay.password_file", said)


class RefusalTest(NextHopTestCase):
    def test_4xx_at_each_phase_defers(self):
        hop = self.hop()
        server = self.relay(hop)
        ids = []
        for extensions in EXTENSIONS:
            for phase in PHASES:
                with self.subTest(phase=phase, extensions=extensions):
                    self.wait_no_connection(hop)
                    hop.extensions, hop.rule = extensions, Fault(phase, "450 4.7.1 Not now")
                    ids.append(self.submit(server))
                    hop.wait_messages(len(ids), SOON)
                    self.assertEqual(hop.rule.used, 1)
        server.wait_queue_empty()
        self.assert_deferred(server, [i for i, phase in zip(ids, PHASES * 2) if phase in RECIPIENT_PHASES])
        self.assert_events(server, "Delivery", ids)
        refused = [event for event in server.events("TransientFailure") if event.get("response", {}).get("code")]
        self.assertEqual(sorted(event["id"] for event in refused),  # one attempt each, and what the hop said
                         sorted(i for i, phase in zip(ids, PHASES * 2) if phase in RECIPIENT_PHASES))
        self.assertEqual({event["response"]["code"] for event in refused}, {450})

    def test_421_at_each_phase_defers_and_the_hop_may_close(self):
        for phase in RECIPIENT_PHASES:
            with self.subTest(phase=phase):
                hop = self.hop(Fault(phase, "421 4.3.2 Going down"))
                server = self.relay(hop, name=f"closing{PHASES.index(phase)}")
                ids = [self.submit(server)]
                hop.wait_messages(1, SOON)
                server.wait_queue_empty()
                self.assert_deferred(server, ids)
                self.assertEqual(hop.connections, 2)  # nothing more was said on the first

    def test_5xx_for_a_message_bounces(self):
        hop = self.hop()
        server = self.relay(hop)
        bounced = []
        for extensions in EXTENSIONS:
            for phase in RECIPIENT_PHASES:
                with self.subTest(phase=phase, extensions=extensions):
                    self.wait_no_connection(hop)
                    hop.extensions, hop.rule = extensions, Fault(phase, f"554 5.7.1 No {phase} from you")
                    bounced.append(self.submit(server))
                    bounce = hop.wait_messages(len(bounced), SOON)[-1]
                    assert_bounce(self, bounce, {RECIPIENT: ("5.7.1", f"554 5.7.1 No {phase} from you")}, hop)
        server.wait_queue_empty()
        self.assert_events(server, "Bounce", bounced)
        self.assertEqual(server.stats()["messages_deferred_total"], 0)
        self.assertEqual(len(hop.messages), len(bounced))

    def test_5xx_for_a_session_bounces_nothing(self):
        """It is about the hop, which may be configured wrongly: no message is to suffer for it."""
        for phase, times in (("connect", 1), ("EHLO", 2)):  # a refused EHLO is followed by HELO
            with self.subTest(phase=phase):
                hop = self.hop(Fault(phase, "554 5.7.1 Nothing for you", times=times))
                server = self.relay(hop, name=f"session_{phase}")
                ids = [self.submit(server)]
                hop.wait_messages(1, SOON)
                server.wait_queue_empty()
                self.assertEqual(hop.rule.used, times)
                self.assert_events(server, "Delivery", ids)
                self.assertEqual(server.events("Bounce"), [])

    def test_helo_for_a_hop_that_knows_no_ehlo(self):
        hop = self.hop(Fault("EHLO", "502 5.5.1 What?", times=None, text="^EHLO"))
        server = self.relay(hop)
        ids = [self.submit(server)]
        hop.wait_messages(1)
        server.wait_queue_empty()
        self.assert_events(server, "Delivery", ids)
        self.assertEqual(server.stats()["messages_deferred_total"], 0)

    def test_each_recipient_has_its_own_fate(self):
        for extensions in EXTENSIONS:
            with self.subTest(extensions=extensions):
                later = Fault("RCPT", "451 4.2.1 Later", times=2, text="<later")
                never = Fault("RCPT", "550 5.1.1 Never", times=None, text="<never")
                hop = self.hop(lambda *event: later(*event) or never(*event), extensions=extensions)
                server = self.relay(hop, name=f"mixed{len(extensions)}")
                self.submit(server, recipients=["yes1@example.org", "later1@example.org", "never@example.org",
                                                "later2@example.org", "yes2@example.org"])
                messages = hop.wait_messages(3, SOON)
                server.wait_queue_empty()
                self.assertEqual(len(hop.messages), 3)
                bounces = [message for message in messages if message.sender == ""]
                self.assertEqual(len(bounces), 1)
                assert_bounce(self, bounces[0], {"never@example.org": ("5.1.1", "550 5.1.1 Never")}, hop)
                self.assertEqual([message.recipients for message in messages if message.sender == SENDER],
                                 [["yes1@example.org", "yes2@example.org"],
                                  ["later1@example.org", "later2@example.org"]])

    def test_one_bounce_a_message_for_all_that_failed(self):
        replies = {f"r{i}@example.org": f"55{i} 5.1.{i} No r{i}" for i in range(5)}

        def rule(event, text, hop):
            return replies.get(support.parse_path(text)) if event == "RCPT" else None
        for extensions in EXTENSIONS:
            with self.subTest(extensions=extensions):
                hop = self.hop(rule, extensions=extensions)
                server = self.relay(hop, name=f"all{len(extensions)}")
                ids = [self.submit(server, recipients=list(replies))]  # nobody is left
                messages = hop.wait_messages(1)
                ids += [self.submit(server, recipients=[*replies, RECIPIENT])]  # somebody is
                messages = hop.wait_messages(3)
                server.wait_queue_empty()
                self.assertEqual(len(hop.messages), 3)
                bounces = [message for message in messages if message.sender == ""]
                self.assertEqual(len(bounces), 2)
                for bounce in bounces:
                    assert_bounce(self, bounce, {name: (reply[4:9], reply) for name, reply in replies.items()}, hop)
                failures = wait_until(lambda: len(server.events("Bounce")) == 10 and server.events("Bounce"),
                                      "an event for each of the replies")
                self.assertEqual(sorted((event["id"], event["recipient"]) for event in failures),
                                 sorted((i, name) for i in ids for name in replies))

    def test_a_null_senders_message_is_never_bounced(self):
        hop = self.hop(Fault("RCPT", "550 5.1.1 No such user", times=None))
        server = self.relay(hop)
        dropped = [self.submit(server, sender=""), self.submit(server, recipients=["ghost@example.org"])]
        # The second has a sender, so there is a bounce for it; that is refused too, and has none.
        server.wait_queue_empty()
        wait_until(lambda: len(server.events("Bounce")) == 3, "three failures in the log")
        self.assertEqual(hop.messages, [])
        events = server.events("Bounce")
        self.assertEqual({event["id"] for event in events} & set(dropped), set(dropped))
        for event in events:
            if event["sender"] == "":
                self.assertIn("detail", event, "EVENTS.md: `detail` says that it was dropped")
        self.assert_ends_well(server)

    def test_too_old_is_bounced_with_the_last_words(self):
        hop = self.hop(Fault("RCPT", "452 4.2.2 Mailbox full", times=None, text="<full"))
        server = self.relay(hop, queue=QUICK | {"expire": "1s"})
        self.submit(server, recipients=["full@example.org", RECIPIENT])
        bounce = hop.wait_messages(2, SOON)[-1]
        server.wait_queue_empty()
        assert_bounce(self, bounce, {"full@example.org": ("5.4.7", "452 4.2.2 Mailbox full")}, hop)
        self.assertEqual(hop.messages[0].recipients, [RECIPIENT])
        self.assertEqual(len(hop.messages), 2)

    def test_a_large_message_is_bounced_with_its_header_alone(self):
        hop = self.hop(Fault(".", "552 5.3.4 Too big"))
        server = self.relay(hop)
        self.submit(server, large_message(1 << 20))
        bounce = hop.wait_messages(1)[0]
        assert_bounce(self, bounce, {RECIPIENT: ("5.3.4", "552 5.3.4 Too big")}, hop, subject="large")
        self.assertLess(len(bounce.content), 16384)

    def test_an_answer_before_the_end_of_a_large_message(self):
        """The hop has seen enough: what it says stands, and the rest of the message is not wanted."""
        for code in ("452 4.3.1 Full", "552 5.3.4 Too big"):
            with self.subTest(code=code):
                hop = self.hop()
                server = self.relay(hop, name=f"early{code[0]}")
                for round_ in range(8):  # where in the body it comes is chance
                    hop.rule = Fault("body", code)
                    self.submit(server, large_message(1 << 20))
                    hop.wait_messages(round_ + 1, SOON)
                    self.assertEqual(hop.messages[-1].sender, SENDER if code[0] == "4" else "")
                    self.assertTrue(server.running(), "the server ended")
                server.wait_queue_empty()
                self.assert_ends_well(server)

    def test_a_yes_before_the_message_was_sent_means_nothing(self):
        hop = self.hop(Fault("body", "250 2.0.0 Taken"))
        server = self.relay(hop)
        content = large_message(1 << 20)
        self.submit(server, content)
        message = hop.wait_messages(1, SOON)[-1]
        self.assertTrue(message.content.endswith(content[-1000:]))
        server.wait_queue_empty()
        self.assertEqual(server.stats()["messages_deferred_total"], 1)


def assert_bounce(test, message, failed, hop, subject=SUBJECT):
    """A report of RFC 3464 to the sender about {recipient: (status, diagnostic)}, and about nobody else."""
    test.assertEqual((message.sender, message.recipients), ("", [SENDER]))
    report = email.message_from_bytes(message.content, policy=email.policy.default)
    test.assertEqual(report.get_content_type(), "multipart/report")
    test.assertEqual(report.get_param("report-type"), "delivery-status")
    test.assertEqual(report.defects, [])
    test.assertEqual(report["To"].addresses[0].addr_spec, SENDER)
    test.assertEqual(report["From"].addresses[0].domain, HOSTNAME)
    test.assertRegex(report["Auto-Submitted"], "^auto-(replied|generated)$")
    for field in ("Date", "Message-ID", "MIME-Version"):
        test.assertIn(field, report)
    words, status, header = report.get_payload()
    test.assertEqual([part.get_content_type() for part in (words, status, header)],
                     ["text/plain", "message/delivery-status", "text/rfc822-headers"])
    about_message, *about_recipients = status.get_payload()
    test.assertEqual(about_message["Reporting-MTA"], f"dns; {HOSTNAME}")
    found = {}
    for fields in about_recipients:
        recipient = fields["Final-Recipient"].split("; ", 1)[1]
        test.assertEqual(fields["Action"], "failed")
        test.assertEqual(fields["Remote-MTA"], f"dns; {hop.address}")
        test.assertIn(f"<{recipient}>", words.get_content())
        kind, diagnostic = fields["Diagnostic-Code"].split("; ", 1)
        test.assertEqual(kind, "smtp")
        found[recipient] = (fields["Status"], diagnostic)
    test.assertEqual(found, failed)
    test.assertIn(f"Subject: {subject}", header.get_payload())
    test.assertIn("Received: from", header.get_payload())


# --- connections that end --------------------------------------------------------------------------------------------


class LostConnectionTest(NextHopTestCase):
    def test_closed_reset_or_half_closed_at_each_phase(self):
        hop = self.hop()
        server = self.relay(hop)
        ids, told = [], []
        for how in ({"reset": False}, {"reset": True}, {"half": True}):
            for phase in (*PHASES, "body"):
                with self.subTest(phase=phase, how=how):
                    self.wait_no_connection(hop)
                    hop.rule = Fault(phase, hang_up(**how))
                    ids.append(self.submit(server))
                    if phase not in ("connect", "EHLO"):  # before it was told of the message there is another try at once
                        told.append(ids[-1])
                    hop.wait_messages(len(ids), SOON)
                    self.assertEqual(hop.rule.used, 1)
        server.wait_queue_empty()
        self.wait_no_connection(hop)  # no half-closed one is kept
        self.assert_deferred(server, told)
        self.assert_events(server, "Delivery", ids)
        self.assert_ends_well(server)

    def test_lost_in_the_middle_of_a_large_message(self):
        hop = self.hop()
        server = self.relay(hop)
        content = large_message(2 << 20)
        ids = []
        for how in ({"reset": False}, {"reset": True}, {"half": True}):
            with self.subTest(how=how):
                hop.rule = Fault("body", hang_up(**how))
                ids.append(self.submit(server, content))
                hop.wait_messages(len(ids), SOON)
                self.assertTrue(hop.messages[-1].content.endswith(content[-100000:]))
        server.wait_queue_empty()
        self.assert_deferred(server, ids)
        self.assert_ends_well(server)

    def test_closed_between_some_recipients_answers(self):
        """What was refused for good before the end is bounced; the others are tried again."""
        never = Fault("RCPT", "550 5.1.1 Never", text="<never")
        gone = Fault("RCPT", hang_up(), text="<second")
        hop = self.hop(lambda *event: never(*event) or gone(*event))
        server = self.relay(hop)
        self.submit(server, recipients=["first@example.org", "never@example.org", "second@example.org"])
        messages = hop.wait_messages(2, SOON)
        server.wait_queue_empty()
        self.assertEqual(sorted((message.sender, message.recipients) for message in messages),
                         [("", [SENDER]), (SENDER, ["first@example.org", "second@example.org"])])


# --- replies that are none --------------------------------------------------------------------------------------------


class NonsenseTest(NextHopTestCase):
    NONSENSE = {
        "no code": b"Hello there\r\n",
        "an empty line": b"\r\n",
        "half a code": b"25\r\n",
        "a code that is none": b"999 What\r\n",
        "a code of six digits": b"250250\r\n",
        "zeros": b"\0" * 100 + b"\r\n",
        "high octets": bytes(range(128, 256)) + b"\r\n",
        "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x28\r\n",
        "codes that differ": b"250-one\r\n251 two\r\n",
        "lines without end": b"250-more\r\n" * 20000,
    }

    def test_nonsense_at_each_phase_defers(self):
        hop = self.hop()
        server = self.relay(hop)
        ids, told = [], []
        for name, nonsense in self.NONSENSE.items():
            for phase in (PHASES if name in ("no code", "lines without end") else ("connect", "RCPT", ".")):
                with self.subTest(name=name, phase=phase):
                    self.wait_no_connection(hop)
                    hop.rule = Fault(phase, nonsense)
                    ids.append(self.submit(server))
                    if phase in RECIPIENT_PHASES:
                        told.append(ids[-1])
                    # Not hop.messages: the hop believes that it said yes when its nonsense begins with a 2.
                    wait_until(lambda: server.stats()["messages_delivered_total"] == len(ids), "it is delivered", SOON)
                    self.assertEqual(hop.rule.used, 1)
        server.wait_queue_empty()
        self.assert_deferred(server, told)
        self.assert_events(server, "Delivery", ids)
        self.assert_ends_well(server)

    def test_careless_replies_are_understood(self):
        hop = self.hop()
        server = self.relay(hop, queue=NEVER)
        count = 0
        for reply in (b"250\r\n", b"250 ok\n", b"250-\r\n250-\n250\r\n", b"250 \xff\xfe\0\r\n", b"251 Forwarded\r\n",
                      b"250 " + b"x" * 100000 + b"\r\n", b"250-" + b"y" * 5000 + b"\r\n250 z\r\n"):
            for phase in ("EHLO", "MAIL", "RCPT", "."):
                with self.subTest(reply=reply[:20], phase=phase):
                    self.wait_no_connection(hop)
                    hop.rule = Fault(phase, reply)
                    self.submit(server)
                    count += 1
                    hop.wait_messages(count, SOON)
        server.wait_queue_empty()
        self.assertEqual(server.stats()["messages_deferred_total"], 0)

    def test_a_reply_cannot_forge_a_bounce(self):
        hop = self.hop(Fault("RCPT", b"550-5.1.1 no\0\x1b[31m\r\n550 5.1.1 \xff\rFinal-Recipient: rfc822; x@y.example " +
                             b"z" * 5000 + b"\r\n"))
        server = self.relay(hop)
        self.submit(server)
        bounce = hop.wait_messages(1)[0]
        self.assertNotRegex(bounce.body, rb"[^\r\n\t -~\xe9]|\r[^\n]|[^\r]\n")
        self.assertLess(max(map(len, bounce.content.split(b"\r\n"))), 999)
        self.assertEqual(bounce.body.count(b"\r\nFinal-Recipient:"), 1)

    def test_replies_without_end_take_no_memory(self):
        for name, flood in (("a line", b"x" * (1 << 20)), ("lines", b"250-" + b"y" * 200 + b"\r\n")):
            for phase in ("connect", "EHLO", "."):
                with self.subTest(flood=name, phase=phase):
                    self.endless_reply(f"endless_{name[-1]}{PHASES.index(phase)}", flood, phase)

    def endless_reply(self, name, flood, phase):
        sent = 0

        def pour():
            nonlocal sent
            if name.startswith("endless_e"):
                sent = 64 << 20
                return b"250 " + flood * 64
            sent = 8 << 20
            return flood * ((8 << 20) // len(flood))
        hop = self.hop()
        server = self.relay(hop, name=name, relay={"greeting_timeout": "1s", "data_end_timeout": "1s",
                                                   "mail_timeout": "1s", "connect_timeout": "1s"})
        self.submit(server)  # all that is needed once is there
        hop.wait_messages(1)
        self.wait_no_connection(hop)
        hop.rule = Fault(phase, pour)
        before = resident_bytes(server.pid)
        self.submit(server)
        hop.wait_messages(2, 20)
        self.assertGreater(sent, 0)
        self.assertLess(resident_bytes(server.pid) - before, 4 << 20)
        self.assert_ends_well(server)


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) << 10


# --- silence -------------------------------------------------------------------------------------------------------------


class SilenceTest(NextHopTestCase):
    """A hop that does not answer is given up after the time-out that `sluice check --show` names for it."""

    def check(self, key, event, silent=None, content=MESSAGE, **relay):
        hop = self.hop()
        hop.rule = Fault(event, silent or self.stay_silent)
        server = self.relay(hop, relay={key: "500ms"} | relay)
        began = time.monotonic()
        ids = [self.submit(server, content)]
        self.assert_given_up(server, ids, began)
        hop.wait_messages(1, SOON)
        server.wait_queue_empty()
        self.assertEqual(hop.rule.used, 1)

    def check_session(self, key, event, hop=None):
        """The hop is told of no message yet: that one goes over the next connection."""
        hop = hop or self.hop()
        hop.rule = Fault(event, self.stay_silent)
        server = self.relay(hop, relay={key: "500ms"})
        began = time.monotonic()
        ids = [self.submit(server)]
        hop.wait_messages(1, SOON)
        self.assertGreater(time.monotonic() - began, 0.4)
        self.assert_events(server, "Delivery", ids)
        self.assertEqual((hop.rule.used, hop.connections), (1, 2))
        self.assertEqual(server.stats()["messages_deferred_total"], 0)

    def assert_given_up(self, server, ids, began, least=0.4):
        wait_until(lambda: server.stats()["messages_deferred_total"] >= len(ids), "it is given up", SOON)
        self.assertGreater(time.monotonic() - began, least)
        self.assert_deferred(server, ids)
        self.assertRegex(server.queue()[0]["last_response"] if server.queue() else "timed out", "in time|timed out")

    def test_connection(self):
        with socket.socket() as full:  # whose queue is full: the kernel drops what comes, as a dead machine would
            full.bind(("127.0.0.1", support.free_port()))
            full.listen(0)
            fillers = [socket.socket() for _ in range(8)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            server = self.server(next_hop=["127.0.0.1:%d" % full.getsockname()[1]], queue=QUICK,
                                 relay={"connect_timeout": "500ms"})
            began = time.monotonic()
            self.assert_given_up(server, [self.submit(server)], began)
            for filler in fillers:
                filler.close()

    def test_greeting(self):
        self.check_session("greeting_timeout", "connect")

    def test_ehlo(self):
        self.check_session("greeting_timeout", "EHLO")

    def test_mail(self):
        self.check("mail_timeout", "MAIL")

    def test_rcpt(self):
        self.check("rcpt_timeout", "RCPT")

    def test_data(self):
        self.check("data_timeout", "DATA")

    def test_message_that_is_not_read(self):
        self.check("data_block_timeout", "body", content=large_message(20 << 20))

    def test_end_of_data(self):
        self.check("data_end_timeout", ".")

    def test_starttls(self):
        hop = self.hop(tls=certificate_of(self.site("other")))
        self.check_session("greeting_timeout", "STARTTLS", hop)

    def test_quit(self):
        """Nothing waits for it but the connection; another message may need that one's place."""
        hop = self.hop(Fault("QUIT", self.stay_silent))
        server = self.relay(hop, relay={"connections": 1, "messages_per_connection": 1, "idle_timeout": "5m"})
        self.submit(server)
        hop.wait_messages(1)
        self.submit(server)
        hop.wait_messages(2, 15)

    def test_the_shortest_time_out_leaves_quick_hops_alone(self):
        hop = self.hop()
        tick = "100ms"
        server = self.relay(hop, relay={key: tick for key in (
            "connect_timeout", "greeting_timeout", "mail_timeout", "rcpt_timeout", "data_timeout",
            "data_block_timeout", "data_end_timeout")})
        for _ in range(20):
            self.submit(server)
        hop.wait_messages(20)
        server.wait_queue_empty()
        self.assertLess(server.stats()["messages_deferred_total"], 10)  # a loaded machine may miss a tick


# --- two hops --------------------------------------------------------------------------------------------------------------


class TwoHopsTest(NextHopTestCase):
    def check(self, first, **relay):
        """The second hop takes all, at once, while the first is as it is."""
        second = self.hop()
        server = self.relay(first, second, queue=NEVER, relay=relay)
        ids = [self.submit(server) for _ in range(5)]
        second.wait_messages(5, SOON)
        server.wait_queue_empty()
        self.assert_events(server, "Delivery", ids)
        self.assertEqual(server.stats()["messages_deferred_total"], 0)
        return server, second

    def test_the_second_is_used_while_the_first_is_down_and_the_first_when_it_is_back(self):
        first = self.hop()
        first.close()
        server, second = self.check(first)
        first = self.hop(port=first.port)

        def first_is_used():
            self.submit(server)
            return first.messages
        wait_until(first_is_used, "the first hop is used again", step=0.2)
        before = len(second.messages)
        self.wait_no_connection(second)
        self.submit(server)
        self.submit(server)
        server.wait_queue_empty()
        self.assertEqual(len(second.messages), before)

    def test_the_second_is_used_when_the_first_refuses_sessions(self):
        for reply in ("421 4.3.2 Busy", "554 5.7.1 Go away"):
            with self.subTest(reply=reply):
                first = self.hop(Fault("connect", reply, times=None))
                self.two_hops(first, f"refusing{reply[0]}")

    def two_hops(self, first, name, **relay):
        second = self.hop()
        server = self.relay(first, second, name=name, queue=NEVER, relay=relay)
        ids = [self.submit(server) for _ in range(3)]
        second.wait_messages(3, SOON)
        server.wait_queue_empty()
        self.assert_events(server, "Delivery", ids)
        self.assertEqual(server.stats()["messages_deferred_total"], 0)

    def test_the_second_is_used_when_the_first_hangs_up(self):
        self.two_hops(self.hop(Fault("connect", hang_up(), times=None)), "hangup")

    def test_the_second_is_used_when_the_first_is_silent(self):
        self.two_hops(self.hop(Fault("connect", self.stay_silent, times=None)), "silent", greeting_timeout="500ms",
                      connect_timeout="500ms")

    def test_the_second_is_used_when_the_first_lacks_the_tls_that_is_required(self):
        site = self.site()
        first, second = self.hop(), self.hop(tls=certificate_of(site))
        site.write_config(next_hop=[first.address, second.address], queue=NEVER, relay={"tls": "required"})
        server = site.start()
        ids = [self.submit(server)]
        self.assertTrue(second.wait_messages(1, SOON)[0].tls)
        self.assert_events(server, "Delivery", ids)
        self.assertEqual(first.messages, [])


# --- TLS -------------------------------------------------------------------------------------------------------------------


def certificate_of(site):
    """For HOSTNAME, self-signed."""
    return str(site.folder / "cert.pem"), str(site.folder / "key.pem")


def old_tls(site):
    """Of a hop that can do nothing newer than TLS 1.1: no handshake with it succeeds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(*certificate_of(site))
    return context


class TlsTest(NextHopTestCase):
    def site_with(self, hop, name="serve", **relay):
        site = self.site(name)
        site.write_config(next_hop=[hop.address], queue=QUICK, relay={"idle_timeout": "0s"} | relay)
        return site

    def assert_nothing_told(self, server, hop, count=1):
        """Deferred, and neither envelope nor message has been said."""
        ids = [self.submit(server) for _ in range(count)]
        wait_until(lambda: hop.connections > 0, "the hop is tried")
        self.assert_deferred(server, ids)
        self.assertEqual(set(hop.rule.seen) - {"connect", "EHLO", "STARTTLS", "QUIT"}, set())
        self.assertEqual(hop.messages, [])

    def test_required_against_a_hop_without_it(self):
        hop = self.hop(Fault("nothing", None))
        site = self.site_with(hop, tls="required")
        server = site.start()
        self.assert_nothing_told(server, hop)
        self.assertIn("TLS", server.queue()[0]["last_response"])
        hop.tls = certificate_of(site)  # the hop learns it
        self.assertTrue(hop.wait_messages(1, SOON)[0].tls)
        server.wait_queue_empty()

    def test_required_against_starttls_that_fails(self):
        for name, action in (("refused", "454 4.7.0 No TLS just now"), ("refused5", "502 5.5.1 What?"),
                             ("hangup", hang_up()), ("old", None)):
            with self.subTest(name):
                hop = self.hop(Fault("STARTTLS", action, times=None))
                site = self.site_with(hop, name, tls="required")
                hop.tls = old_tls(site) if name == "old" else certificate_of(site)
                server = site.start()
                self.assert_nothing_told(server, hop)
                hop.tls, hop.rule = certificate_of(site), Fault("nothing", None)
                self.assertTrue(hop.wait_messages(1, 15)[0].tls)
                server.wait_queue_empty()
                self.assert_ends_well(server)

    def test_verify(self):
        hop = self.hop(Fault("nothing", None))
        site = self.site_with(hop)
        hop.tls = certificate_of(site)
        for relay in ({"tls_name": HOSTNAME}, {"ca_file": "cert.pem", "tls_name": "other.example.net"}):
            with self.subTest(relay=relay):
                site.write_config(next_hop=[hop.address], queue=QUICK, relay=relay | {"tls": "verify"})
                server = site.start()
                hop.connections = 0
                self.assert_nothing_told(server, hop)
                self.assertEqual(server.stop(), 0)
        site.write_config(next_hop=[hop.address], queue=QUICK,
                          relay={"tls": "verify", "ca_file": "cert.pem", "tls_name": HOSTNAME})
        site.start()
        messages = hop.wait_messages(2, SOON)
        self.assertTrue(all(message.tls for message in messages))

    def test_opportunistic_takes_any_certificate(self):
        hop = self.hop()
        site = self.site_with(hop)
        hop.tls = certificate_of(site)
        server = site.start()
        self.submit(server)
        self.assertTrue(hop.wait_messages(1)[0].tls)

    def test_none_does_without(self):
        hop = self.hop(Fault("nothing", None))
        site = self.site_with(hop, tls="none")
        hop.tls = certificate_of(site)
        server = site.start()
        self.submit(server)
        self.assertFalse(hop.wait_messages(1)[0].tls)
        self.assertNotIn("STARTTLS", hop.rule.seen)

    def test_opportunistic_goes_on_in_clear_when_starttls_is_refused(self):
        for reply in ("454 4.7.0 No TLS just now", "502 5.5.1 What?"):
            with self.subTest(reply=reply):
                hop = self.hop(Fault("STARTTLS", reply, times=None))
                site = self.site_with(hop, f"refused{reply[0]}")
                hop.tls = certificate_of(site)
                server = site.start()
                ids = [self.submit(server)]
                self.assertFalse(hop.wait_messages(1, SOON)[0].tls)
                self.assert_events(server, "Delivery", ids)
                self.assertEqual(server.stats()["messages_deferred_total"], 0)

    def test_opportunistic_defers_when_the_handshake_fails(self):
        """A hop that offers TLS and cannot do it is broken, or somebody is in between: nothing is said in the clear."""
        for name, action in (("hangup", hang_up()), ("old", None)):
            with self.subTest(name):
                hop = self.hop(Fault("STARTTLS", action, times=None))
                site = self.site_with(hop, name)
                hop.tls = old_tls(site) if name == "old" else certificate_of(site)
                server = site.start()
                self.assert_nothing_told(server, hop)
                hop.tls, hop.rule = certificate_of(site), Fault("nothing", None)
                self.assertTrue(hop.wait_messages(1, 15)[0].tls)
                self.assert_ends_well(server)

    def test_what_was_said_in_clear_behind_starttls_is_forgotten(self):
        """CVE-2011-0411, from the other side: a reply slipped in before the handshake answers nothing after it."""
        injected = b"220 2.0.0 Ready\r\n250-evil.example\r\n250 AUTH PLAIN\r\n250 2.1.0 Ok\r\n"
        hop = self.hop(Fault("STARTTLS", injected))
        site = self.site_with(hop, tls="required")
        hop.tls = certificate_of(site)
        server = site.start()
        ids = [self.submit(server)]
        self.assertTrue(hop.wait_messages(1, SOON)[0].tls)
        server.wait_queue_empty()
        self.assert_events(server, "Delivery", ids)
        self.assertEqual(len(hop.messages), 1)


if __name__ == "__main__":
    support.main()
