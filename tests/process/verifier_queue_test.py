"""Passwords that wait for the verifiers are bounded, in all and of a login and an address: beyond that AUTH gets 454."""
import pathlib

import support
from support import PASSWORD, USER, sasl_plain, wait_until

OTHER = "bob@example.net"
ELSEWHERE = "127.0.1.1"
# A proof takes so long that all clients of a test are there before the first has its answer.
SLOW = {"iterations": 3_000_000, "verifiers": 1, "verifier_queue_login": 0, "verifier_queue_address": 0}


class VerifierQueueTest(support.TestCase):
    def serve(self, **auth):
        return self.server(users=((USER, PASSWORD, ()), (OTHER, PASSWORD, ())), auth=SLOW | auth)

    def connect(self, server, source=None):
        client = server.client(user=None, source=source)
        self.addCleanup(client.close)
        return client

    def ask(self, client, login=USER, password=PASSWORD):
        """Sends AUTH, and leaves the answer unread."""
        client.send(b"AUTH PLAIN " + sasl_plain(login, password).encode() + b"\r\n")

    def refused(self, client, login=USER, password=PASSWORD):
        self.ask(client, login, password)
        client.expect("454 4.7.0")

    def verifier_ticks(self, server):
        for task in pathlib.Path(f"/proc/{server.pid}/task").iterdir():
            name, _, fields = (task / "stat").read_text().partition("(")[2].rpartition(")")
            if name == "verify/0":
                return sum(map(int, fields.split()[11:13]))
        self.fail("the server has no thread verify/0")

    def test_in_all(self):
        server = self.serve(verifier_queue=2)
        with server.client(user=OTHER):
            pass  # remembered from now on
        first, *waiting = [self.connect(server) for _ in range(3)]
        before = self.verifier_ticks(server)
        self.ask(first)
        wait_until(lambda: self.verifier_ticks(server) > before + 1, "the verifier has taken the first")
        for client in waiting:
            self.ask(client)
        late, unknown, known = self.connect(server), self.connect(server), self.connect(server)
        self.refused(late)
        self.refused(unknown, "nobody@example.net")
        self.ask(known, OTHER)
        known.expect(235)
        known.submit(b"From: <%s>\r\n\r\ntext\r\n" % OTHER.encode(), sender=OTHER)
        for client in (first, *waiting):
            client.expect(235)
        self.ask(late)  # in the same connection
        late.expect(235)
        codes = [event["response"]["code"] for event in server.wait_events("Auth", 8)]
        self.assertEqual(codes, [235, 454, 454, 235, 235, 235, 235, 235])
        self.assertEqual(server.stats()["logins_total"]["PLAIN"]["temporary"], 2)

    def test_of_a_login(self):
        server = self.serve(verifier_queue_login=2)
        asked = [self.connect(server, source) for source in (None, ELSEWHERE)]
        for client in asked:
            self.ask(client)
        late, other = self.connect(server, "127.0.2.1"), self.connect(server)
        self.refused(late, password="wrong")
        self.refused(late)
        self.ask(other, OTHER)
        for client in (*asked, other):
            client.expect(235)

    def test_from_an_address(self):
        server = self.serve(verifier_queue_address=2)
        asked = [self.connect(server) for _ in range(2)]
        for client, login in zip(asked, (USER, OTHER)):
            self.ask(client, login)
        late, elsewhere = self.connect(server), self.connect(server, ELSEWHERE)
        self.refused(late, "nobody@example.net")
        self.refused(late)
        self.ask(elsewhere)
        for client in (*asked, elsewhere):
            client.expect(235)


if __name__ == "__main__":
    support.main()
