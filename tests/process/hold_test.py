"""Mail that waits: over a limit, for an operator; of a suspended login, until it is resumed. And who is suspended by itself."""
import json
import subprocess
import time
import unittest

import support
from support import PASSWORD, RECIPIENT, SLUICE, USER, sasl_plain, wait_until

OTHER = "bob@example.net"
FRONT = "webmail"


def text(subject):
    return b"From: alice@example.net\r\nSubject: %s\r\n\r\ntext\r\n" % subject.encode()


class HoldTest(support.TestCase):
    def sluice(self, server, *arguments, ok=True):
        result = subprocess.run([SLUICE, *arguments, "--config", server.config], capture_output=True, text=True,
                                timeout=support.PATIENCE, stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode == 0, ok, result.stderr)
        return result.stdout if ok else result.stderr

    def users(self):
        return ((USER, PASSWORD, ()), (OTHER, PASSWORD, ()), (FRONT, PASSWORD, ("--acts-for", "@example.net")))

    def held(self, server):
        """What `queue list --held` shows: reasons by id."""
        listed = json.loads(self.sluice(server, "queue", "list", "--held", "--json"))
        return {message["id"]: message["held"] for message in listed["messages"]}

    def wait_queued(self, server, count):
        """Done is durable: a kill does not bring it back."""
        wait_until(lambda: server.stats()["messages_queued"] == count, f"{count} messages in the queue")

    def wait_orders(self, server, count):
        def orders():
            return [(event["id"], event["detail"]) for event in server.events("Admin") if "operator" in event["detail"]]
        wait_until(lambda: len(orders()) >= count, f"{count} orders in the log")
        return orders()

    # --- over a limit ---

    def test_held_until_released_over_kills(self):
        sink = self.sink()
        server = self.server(users=self.users(), next_hop=[sink.address],
                             login_limits={"rates": ["2 messages/day"], "over_limit": "hold"})
        with server.client() as client:
            sent = [client.submit(text(f"number {i}")) for i in range(4)]
            said = client.command(f"MAIL FROM:<{USER}>", 450)[0]  # as much again is held, and no more
            self.assertIn("more than 2 messages/day of this login; try again after", said)
        sink.wait_messages(2)
        reason = "more than 2 messages/day of this login"
        self.assertEqual(self.held(server), {id: reason for id in sent[2:]})
        receptions = server.wait_events("Reception", 4)
        self.assertEqual([event.get("detail") for event in receptions],
                         [None, None] + [f"held until it is released: {reason}"] * 2)
        self.wait_queued(server, 2)
        self.assertEqual(server.stats()["messages_held"], 2)
        server.kill()
        self.assertEqual(set(self.held(server)), set(sent[2:]), "without a server, too")
        server = server.site.start()
        self.assertEqual(set(self.held(server)), set(sent[2:]))
        self.assertIn("1 of 1 message released", self.sluice(server, "queue", "release", sent[2]))
        sink.wait_messages(3)
        self.assertEqual(set(self.held(server)), {sent[3]})
        self.assertIn("not held, or gone", self.sluice(server, "queue", "release", sent[2], ok=False))
        self.wait_queued(server, 1)
        self.wait_orders(server, 1)
        server.kill()
        server = server.site.start()
        self.assertEqual(set(self.held(server)), {sent[3]}, "a release is for good")
        self.assertIn("0 of 0 messages", self.sluice(server, "queue", "release", "--login", OTHER))
        self.assertIn("1 of 1 message deleted", self.sluice(server, "queue", "delete", "--login", USER))
        server.wait_queue_empty()
        self.assertEqual(len(sink.wait_messages(3)), 3)
        self.assertEqual(self.wait_orders(server, 2),
                         [(sent[2], "released by an operator"), (sent[3], "deleted by an operator")])
        for arguments in ((), (sent[3], "--held"), ("nonsense",)):
            self.sluice(server, "queue", "release", *arguments, ok=False)

    def test_policies(self):
        server = self.server(users=self.users(), login_limits={"rates": ["1 messages/day", "3 recipients/day", "2K bytes/day"],
                                                               "over_limit": "reject"})
        with server.client() as client:
            client.command(f"MAIL FROM:<{USER}> SIZE=3000", "552 5.3.4 By itself more than 2K bytes/day of this login")
            client.command(f"MAIL FROM:<{USER}>", 250)
            for _ in range(3):
                client.command(f"RCPT TO:<{RECIPIENT}>", 250)
            client.command(f"RCPT TO:<{RECIPIENT}>", "452 4.5.3 By itself more than 3 recipients/day")
            client.command("DATA", 354)
            client.send(text("x") + b"x" * 3000 + b"\r\n.\r\n")
            client.expect("552 5.3.4")
            client.submit(text("one"))
            client.command(f"MAIL FROM:<{USER}>", "550 5.7.1 Throttling failure: more than 1 messages/day")
            self.sluice(server, "user", "set", USER, "--over-limit", "throttle")
            client.command(f"MAIL FROM:<{USER}>", "450 4.7.1")
            self.sluice(server, "user", "set", USER, "--over-limit", "hold")
            held = client.submit(text("two"))
            self.assertIn("over_limit   hold", self.sluice(server, "user", "show", USER))
        self.assertEqual(list(self.held(server)), [held])
        self.assertIn("neither", self.sluice(server, "user", "set", USER, "--over-limit", "never", ok=False))

    # --- suspension ---

    def test_queued_mail_of_a_suspended_login_waits(self):
        hop = self.hop(lambda event, text, hop: "450 4.0.0 later" if event == "MAIL" and self.deferring else None)
        self.deferring = True
        server = self.server(users=self.users(), next_hop=[hop.address], queue={"retry_min": "1s", "retry_max": "2s"})
        with server.client() as client:
            own = [client.submit(text(f"own {i}")) for i in range(3)]
        with server.client(user=FRONT) as client:  # in her name: her suspension counts, not the front's
            client.command(f"MAIL FROM:<{USER}> AUTH={USER}", 250)
            client.command(f"RCPT TO:<{RECIPIENT}>", 250)
            client.command("DATA", 354)
            client.send(text("by the front") + b".\r\n")
            own.append(client.expect(250)[0].rsplit(" ", 1)[1])
        with server.client(user=OTHER) as client:
            client.submit(text("other"), sender=OTHER)
        server.wait_events("TransientFailure", 5)
        self.sluice(server, "user", "suspend", USER, "--reason", "her password was stolen")
        shown = self.sluice(server, "user", "show", USER)
        self.assertRegex(shown, r"state +suspended since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ: her password was stolen")
        self.sluice(server, "user", "suspend", FRONT)
        wait_until(lambda: set(self.held(server)) == set(own), lambda: f"{own} put aside, not {self.held(server)}")
        self.assertEqual(set(self.held(server).values()), {"the login is suspended"})
        self.deferring = False
        self.assertEqual([message.sender for message in hop.wait_messages(1)], [OTHER])
        self.wait_queued(server, 4)
        server.kill()
        server = server.site.start()
        wait_until(lambda: set(self.held(server)) == set(own), lambda: f"{own} put aside, not {self.held(server)}")
        self.assertEqual(server.stats()["messages_suspended"], 4)
        turns = server.stats()["loop_turns_total"]
        time.sleep(1)
        self.assertLess(server.stats()["loop_turns_total"] - turns, 200, "what waits costs no turns")
        self.assertEqual(len(hop.messages), 1)
        self.sluice(server, "user", "resume", FRONT)
        self.sluice(server, "user", "resume", USER)
        self.assertEqual(len(hop.wait_messages(5, seconds=10)), 5)
        server.wait_queue_empty()
        self.assertNotIn("stolen", self.sluice(server, "user", "show", USER))

    def test_a_suspended_login_that_is_removed_sends_nothing(self):
        hop = self.hop(lambda event, text, hop: "450 4.0.0 later" if event == "MAIL" and self.deferring else None)
        self.deferring = True
        server = self.server(users=self.users(), next_hop=[hop.address], queue={"retry_min": "1s", "retry_max": "2s"})
        with server.client() as client:
            own = client.submit(text("own"))
        server.wait_events("TransientFailure", 1)
        self.assertEqual(self.sluice(server, "user", "suspend", USER), f"suspended {USER}\n")
        wait_until(lambda: set(self.held(server)) == {own}, lambda: f"{own} put aside, not {self.held(server)}")
        self.deferring = False
        self.assertIn("stays suspended", self.sluice(server, "user", "remove", USER))
        with server.client(user=OTHER) as client:
            client.submit(text("other"), sender=OTHER)
        self.assertEqual([message.sender for message in hop.wait_messages(1)], [OTHER])
        time.sleep(2)
        self.assertEqual(set(self.held(server)), {own})
        server.kill()
        server = server.site.start()
        wait_until(lambda: set(self.held(server)) == {own}, lambda: f"{own} put aside, not {self.held(server)}")
        self.assertEqual(len(hop.messages), 1)
        self.assertEqual(self.sluice(server, "user", "resume", USER), f"resumed {USER}\n")
        self.assertEqual(len(hop.wait_messages(2, seconds=10)), 2)

    # --- by itself ---

    def wait_suspended(self, server, login, why):
        wait_until(lambda: why in self.sluice(server, "user", "show", login), f"{login} suspended: {why}")
        events = [event for event in server.wait_events("Admin") if "is suspended" in event.get("detail", "")]
        wait_until(lambda: [event for event in server.events("Admin") if event.get("login") == login], "an event")
        with server.client(user=None) as client:
            client.command("AUTH PLAIN " + sasl_plain(login, PASSWORD), 535)
        return events

    def test_who_is_over_limits_is_suspended(self):
        server = self.server(users=self.users(), login_limits={"rates": ["2 messages/hour"]}, containment={"over_limit": 3})
        with server.client(user=OTHER) as client:
            for _ in range(2):
                client.submit(text("x"), sender=OTHER)
            for _ in range(3):
                client.command(f"MAIL FROM:<{OTHER}>", 450)
        with server.client() as client:
            for _ in range(2):
                client.submit(text("x"))
            for _ in range(4):
                client.command(f"MAIL FROM:<{USER}>", 450)
            self.wait_suspended(server, USER, "more than 3 times over a limit in an hour")
            client.command("NOOP", 421)
        self.assertIn("enabled", self.sluice(server, "user", "show", OTHER))
        self.sluice(server, "user", "resume", USER)
        server.client().close()

    def test_whose_recipients_are_refused_is_suspended(self):
        hop = self.hop(lambda event, text, hop: "550 5.1.1 nobody" if event == "RCPT" and "nobody" in text else None)
        server = self.server(users=self.users(), next_hop=[hop.address],
                             containment={"bounce_percent": 40, "bounce_recipients": 10})
        with server.client(user=OTHER) as client:
            client.submit(text("x"), sender=OTHER, recipients=[f"nobody{i}@example.org" for i in range(9)])  # too few
        with server.client() as client:
            client.submit(text("x"), recipients=[f"bob{i}@example.org" for i in range(12)])
            hop.wait_messages(1)
            client.submit(text("x"), recipients=[f"nobody{i}@example.org" for i in range(10)])
        self.wait_suspended(server, USER, "10 of 22 recipients in an hour refused for good, more than 40 percent")
        self.assertIn("enabled", self.sluice(server, "user", "show", OTHER))

    def test_who_sends_to_many_new_domains_is_suspended(self):
        server = self.server(users=self.users(), containment={"new_domains": 10, "learn": "0s"})
        usual = [f"bob@usual{i}.example" for i in range(8)]
        with server.client() as client:
            for _ in range(3):
                client.submit(text("x"), recipients=usual)
            server.kill()
        server = server.site.start()
        with server.client() as client:
            for _ in range(3):
                client.submit(text("x"), recipients=usual)
        self.assertIn("enabled", self.sluice(server, "user", "show", USER))
        with server.client() as client:
            client.submit(text("x"), recipients=[f"bob@new{i}.example" for i in range(20)])
        self.wait_suspended(server, USER, "recipients of more than 10 domains in an hour")


if __name__ == "__main__":
    unittest.main()
