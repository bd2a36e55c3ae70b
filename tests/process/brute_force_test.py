"""Who guesses passwords: answers come later and later, then 421; customers get in all the same."""
import base64
import json
import smtplib
import subprocess
import threading
import time
import unittest

import support
from support import PASSWORD, SLUICE, USER, sasl_plain

OTHER = "bob@example.net"
QUICK = {"failure_delay": "10ms", "failure_jitter": "0s", "mechanisms_clear": ["SCRAM-SHA-256"]}


class BruteForceTest(support.TestCase):
    def serve(self, **limits):
        return self.server(users=((USER, PASSWORD, ()), (OTHER, PASSWORD, ())), auth=QUICK,
                           guess_limits={"slowest": "0s"} | limits)

    def auth(self, server, *arguments, ok=True):
        result = subprocess.run([SLUICE, "auth", *arguments, "--config", server.config], capture_output=True, text=True,
                                timeout=support.PATIENCE, stdin=subprocess.DEVNULL)
        self.assertEqual(result.returncode == 0, ok, result.stderr)
        return result.stdout if ok else result.stderr

    def guesses(self, server, *arguments):
        return json.loads(self.auth(server, "show", "--json", *arguments))["guesses"]

    def guess(self, server, login=USER, password="wrong", source=None, authorization=""):
        """The reply to one AUTH PLAIN of a new connection."""
        response = base64.b64encode(f"{authorization}\0{login}\0{password}".encode()).decode()
        with server.client(user=None, source=source) as client:
            return int(client.command("AUTH PLAIN " + response, "")[0][:3])

    def test_a_login_from_an_address(self):
        server = self.serve(login_from_address=4)
        for _ in range(4):
            self.assertEqual(self.guess(server), 535)
        for password in ("wrong", PASSWORD):  # nothing is learnt of it
            self.assertEqual(self.guess(server, password=password), 421)
        self.assertEqual(self.guess(server, source="127.0.1.1", password=PASSWORD), 235)
        self.assertEqual(self.guess(server, OTHER, PASSWORD), 235)
        self.assertEqual(self.guess(server, "nobody@example.net"), 535)

        events = server.wait_events("Auth", 9)
        refused = [event for event in events if event["response"]["code"] == 421]
        self.assertEqual({event["detail"] for event in refused},
                         {"refused: too many failed logins of this login from this address"})
        told = [event["detail"] for event in server.wait_events("Admin") if "failed logins of" in event["detail"]]
        self.assertEqual(len(told), 1)
        self.assertRegex(told[0], rf"refused until 20\d\d-.*Z: 4 failed logins of {USER} from 127.0.0.1 in an hour; `sluice auth unblock`")
        self.assertEqual(server.stats()["logins_total"]["PLAIN"]["throttled"], 2)

        rows = {(row["by"], row.get("login"), row.get("address")): row for row in self.guesses(server)}
        pair = rows["login_from_address", USER, "127.0.0.1"]
        self.assertEqual((pair["failed"], pair["limit"], pair["refused"]), (4, 4, True))
        self.assertEqual(rows["logins_from_address", None, "127.0.0.1"]["failed"], 2)  # two logins
        self.assertEqual(rows["login", USER, None]["failed"], 4)
        self.assertEqual(rows["server", None, None]["failed"], 5)
        self.assertIn(f"{USER} from 127.0.0.1", self.auth(server, "show"))

        self.assertIn("Either a login or an address", self.auth(server, "unblock", ok=False))
        self.assertIn("expected a numeric address", self.auth(server, "unblock", "--address", "localhost", ok=False))
        self.auth(server, "unblock", "--login", USER, "--address", "127.0.0.1")
        self.assertEqual(self.guess(server, password=PASSWORD), 235)
        self.assertIn("No failed logins", self.auth(server, "show", "--login", USER, "--address", "127.0.0.9"))
        self.auth(server, "unblock", "--all")
        self.assertEqual(self.guesses(server), [])

    def test_a_right_password_is_no_guess_for_whomever_it_asks_to_act(self):
        front = "webmail"
        server = self.server(users=((USER, PASSWORD, ()), (front, PASSWORD, ("--acts-for", "@example.net"))), auth=QUICK,
                             guess_limits={"slowest": "0s", "login_from_address": 3})
        subprocess.run([SLUICE, "user", "disable", USER, "--config", server.config], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        for other in ("nobody@example.net", USER, "erin@example.org") * 2:  # unknown, disabled, not its to act for
            self.assertEqual(self.guess(server, front, PASSWORD, authorization=other), 535)
        self.assertEqual(self.guess(server, front, PASSWORD), 235)
        self.assertEqual(self.guesses(server), [])
        for _ in range(3):
            self.assertEqual(self.guess(server, front, authorization=USER, source="127.0.1.1"), 535)
        self.assertEqual(self.guess(server, front, PASSWORD, source="127.0.1.1"), 421)

    def test_many_logins_from_an_address_and_its_known_clients(self):
        server = self.serve(logins_from_address=3, login_from_address=2)
        self.assertEqual(self.guess(server, password=PASSWORD), 235)  # known from here now
        for name in ("a", "b", "c"):
            self.assertEqual(self.guess(server, f"{name}@example.net"), 535)
        self.assertEqual(self.guess(server, OTHER, PASSWORD), 421)
        self.assertEqual(self.guess(server, password=PASSWORD), 235)
        self.assertEqual(self.guess(server, OTHER, PASSWORD, source="127.0.1.1"), 235)
        # Known clients outlive the process, also when it is killed.
        time.sleep(2.5)
        server.kill()
        server = server.site.start()
        for name in ("a", "b", "c"):
            self.assertEqual(self.guess(server, f"{name}@example.net"), 535)
        self.assertEqual(self.guess(server, "d@example.net"), 421)
        self.assertEqual(self.guess(server, password=PASSWORD), 235)

    def test_one_login_from_everywhere(self):
        """Its owner, who has come from that network before, is let in; somebody new is not."""
        server = self.serve(login=5)
        self.assertEqual(self.guess(server, password=PASSWORD), 235)
        for host in range(1, 6):
            self.assertEqual(self.guess(server, source=f"127.0.{host}.1"), 535)
        self.assertEqual(self.guess(server, password=PASSWORD, source="127.0.9.1"), 421)
        self.assertEqual(self.guess(server, password=PASSWORD), 235)
        self.assertEqual(self.guess(server, OTHER, PASSWORD, source="127.0.9.1"), 235)

    def test_answers_come_later(self):
        """A second is added little by little; nobody else waits meanwhile."""
        server = self.serve(login_from_address=8, slowest="1s")
        took = []
        for _ in range(8):
            begun = time.monotonic()
            self.assertEqual(self.guess(server), 535)
            took.append(time.monotonic() - begun)
        # From the fifth on: 1/4, 1/2, 3/4 and a whole second; before, nothing.
        for at, least in ((4, 0.25), (5, 0.5), (6, 0.75), (7, 1.0)):
            self.assertGreaterEqual(took[at], least)
        slow = threading.Thread(target=self.guess, args=(server, "slow@example.net"))
        slow.start()
        self.assertEqual(self.guess(server, OTHER, PASSWORD), 235)
        slow.join()

    def test_shards_count_together(self):
        server = self.serve(login_from_address=10)
        answers = []
        for _ in range(16):
            answers.append(self.guess(server))
        self.assertEqual(answers, [535] * 10 + [421] * 6)
        with server.client(user=None) as client:  # a session too: several tries in one
            self.assertIn("421 4.7.0 Too many failed logins", client.command("AUTH PLAIN " + sasl_plain(USER, PASSWORD), 421)[0])
        rows = self.guesses(server, "--login", USER)
        self.assertEqual([row["failed"] for row in rows], [10, 10])

    def test_a_client_of_smtplib_and_scram(self):
        """A mechanism that proves by itself is counted and refused like a password: at its first step."""
        server = self.serve(login_from_address=3)
        self.assertEqual(self.gsasl(server, "SCRAM-SHA-256", PASSWORD).returncode, 0)
        for _ in range(15):  # five times as many of a client that is known
            self.assertNotEqual(self.gsasl(server, "SCRAM-SHA-256", "wrong").returncode, 0)
        result = self.gsasl(server, "SCRAM-SHA-256", PASSWORD)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("421 4.7.0", result.stdout + result.stderr)
        with smtplib.SMTP("127.0.0.1", server.starttls_port, timeout=support.PATIENCE) as client:
            client.starttls(context=support.trusting_context())
            client.ehlo()
            with self.assertRaises((smtplib.SMTPAuthenticationError, smtplib.SMTPServerDisconnected)):
                client.login(USER, PASSWORD)

    def gsasl(self, server, mechanism, password):
        return subprocess.run(["gsasl", "--smtp", f"--connect=127.0.0.1:{server.starttls_port}", "--hostname", support.HOSTNAME,
                               "--service", "smtp", "--no-starttls", "--no-cb", "--mechanism", mechanism, "--authentication-id",
                               USER, "--authorization-id", USER, "--password", password, "--no-client-first"],
                              capture_output=True, text=True, timeout=support.PATIENCE, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    unittest.main()
