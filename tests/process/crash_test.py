"""kill -9 under load: what was acknowledged is delivered, and little of it twice.

The client is `sluice-load run`, whose ledger has what was acknowledged; the next hop is `sluice-load sink`, whose
ledger has what arrived. SLUICE_CRASH_SEED repeats the moments of the kills, as far as a machine repeats anything.
"""
import bisect
import collections
import os
import random
import re
import sys
import time

import support
from support import PASSWORD, SENDER, USER, wait_until

ROUNDS = 20
SMALL, LARGE = 4096, 200_000  # octets; a large one is a record a 64 KiB, and the last commits it
SMALL_CONNECTIONS, LARGE_CONNECTIONS = 6, 2
# How long before a kill a delivery may have been that is not yet on disk as done: such records wait 100 ms for company,
# and for the batch before them. The rest is for a slow disk.
IN_FLIGHT = 1.0
QUICK = {"retry_min": "200ms", "retry_max": "400ms"}
NEVER = {"retry_min": "1h", "retry_max": "1h"}


class CrashTestCase(support.TestCase):
    def setUp(self):
        super().setUp()
        seed = int(os.environ.get("SLUICE_CRASH_SEED") or random.randrange(1 << 32))
        print(f"SLUICE_CRASH_SEED={seed}", file=sys.stderr)
        self.random = random.Random(seed)

    def start_load(self, site, name, size, connections):
        """Until its last connection is lost, or 100 s."""
        return self.run_load("run", "--to", f"127.0.0.1:{site.starttls_port}", "--tls", "starttls", "--mechanism",
                             "PLAIN", "--user", USER, "--password", PASSWORD, "--connections", connections,
                             "--size", size, "--seconds", 100, "--ledger", self.folder / f"{name}.sent", name=name)

    def accepted(self, *names):
        """Numbers of acknowledged messages."""
        return [number for name in names for number in support.read_ledger(self.folder / f"{name}.sent")]

    def assert_no_damage(self, server):
        self.assertNotIn("DAMAGE", server.err.read_text())
        self.assertEqual(list(server.spool.glob("*/corrupt")), [])


class Arrivals:
    """The sink's ledger as a file that grows, and where in it the kills were."""

    def __init__(self, path):
        self.path = path
        self.times, self.sizes = [], []  # samples
        self.kills = []                  # (from, to): what arrived there may arrive again after `to`

    def size(self):
        return self.path.stat().st_size if self.path.exists() else 0

    def watch(self, seconds):
        """Lets so much time pass, and takes note of what arrives meanwhile."""
        end = time.monotonic() + seconds
        while True:
            self.times.append(time.monotonic())
            self.sizes.append(self.size())
            if self.times[-1] >= end:
                return
            time.sleep(0.01)

    def killed(self, when):
        """To be called when nothing arrives any more."""
        index = bisect.bisect_left(self.times, when - IN_FLIGHT)
        since = self.sizes[index - 1] if index > 0 else 0
        self.kills.append((since, self.size()))

    def numbers(self):
        """{number: offsets}."""
        found, offset = collections.defaultdict(list), 0
        for line in self.path.read_bytes().splitlines(keepends=True):
            found[line.decode().strip()].append(offset)
            offset += len(line)
        return found


class KillTest(CrashTestCase):
    def test_twenty_rounds_lose_nothing_and_repeat_little(self):
        sink = self.sink(store=False)
        site = self.site()
        arrivals = Arrivals(sink.ledger_file)
        for round_ in range(ROUNDS):
            shards = self.random.choice((1, 2))
            site.write_config(next_hop=[sink.address], shards=shards)
            if self.random.random() < 0.3:  # killed again while it recovers
                server = site.start(ready=False)
                arrivals.watch(self.random.uniform(0, 0.3))
                killed = time.monotonic()
                server.kill()
                arrivals.killed(killed)
            server = site.start()
            before = {name: len(self.accepted(name)) for name in ("small", "large")}
            loads = [self.start_load(site, "small", SMALL, SMALL_CONNECTIONS),
                     self.start_load(site, "large", LARGE, LARGE_CONNECTIONS)]
            for name, count in before.items():
                wait_until(lambda: len(self.accepted(name)) > count, f"round {round_}: a {name} message is accepted")
            arrivals.watch(self.random.choice((0.05, 0.3, 0.8, 1.8)) * self.random.random())
            if self.random.random() < 0.3:
                killed = time.monotonic()
                sink.kill()
                arrivals.killed(killed)
                arrivals.watch(self.random.uniform(0, 0.1))
                sink = self.sink(store=False, port=sink.port)
                arrivals.watch(self.random.uniform(0, 0.3))
            self.assertTrue(server.running())
            killed = time.monotonic()
            server.kill()
            for load in loads:  # they lost all their connections
                load.wait()
            arrivals.killed(killed)
        server = site.start()
        server.wait_queue_empty(40)
        self.check(arrivals, self.accepted("small"), self.accepted("large"))
        self.assertEqual(server.stop(), 0)
        self.assert_no_damage(server)

    def check(self, arrivals, small, large):
        accepted = small + large
        self.assertEqual(len(set(accepted)), len(accepted))
        arrived = arrivals.numbers()
        lost = [number for number in accepted if number not in arrived]
        self.assertEqual(lost, [], f"{len(lost)} of {len(accepted)} acknowledged messages are lost")
        # Those of unknown fate: sent, and the answer was lost with the connection.
        unknown = len(arrived) - len(accepted)
        self.assertLessEqual(unknown, ROUNDS * (SMALL_CONNECTIONS + LARGE_CONNECTIONS))
        repeated = 0
        for number, offsets in arrived.items():
            for first, second in zip(offsets, offsets[1:]):
                repeated += 1
                self.assertTrue(any(since <= first <= to <= second for since, to in arrivals.kills),
                                f"{number} came twice and was in flight at no kill: at {first} and {second} of "
                                f"the ledger; kills {arrivals.kills}")
        print(f"{len(small)} small and {len(large)} large accepted, {unknown} of unknown fate, {repeated} twice",
              file=sys.stderr)

    def test_a_next_hop_that_crashes_costs_time_alone(self):
        sink = self.sink(store=False)
        server = self.server(next_hop=[sink.address], shards=2, queue=QUICK)
        arrivals = Arrivals(sink.ledger_file)
        load = self.start_load(server, "load", SMALL, SMALL_CONNECTIONS)
        for _ in range(3):
            seen = arrivals.size()
            wait_until(lambda: arrivals.size() > seen, "messages arrive (again)", 20)
            arrivals.watch(self.random.uniform(0.1, 0.5))
            killed = time.monotonic()
            sink.kill()
            arrivals.killed(killed)
            accepted = len(self.accepted("load"))
            wait_until(lambda: len(self.accepted("load")) > accepted, "mail is taken without a next hop")
            sink = self.sink(store=False, port=sink.port)
        load.stop()
        server.wait_queue_empty(20)
        self.check(arrivals, self.accepted("load"), [])

    def test_a_message_that_was_not_acknowledged_leaves_nothing_behind(self):
        """Killed in the middle of a large one: its parts are on disk, and nothing names them."""
        sink = self.sink()
        site = self.site(next_hop=[sink.address])
        for round_ in range(3):
            server = site.start()
            with server.client() as client:
                client.begin()
                written = server.stats()["journal_bytes_total"]
                client.send(b"Subject: half a message\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y" * (LARGE + round_) + b"\r\n")
                wait_until(lambda: server.stats()["journal_bytes_total"] > written, "a part is on disk")
                server.kill()
        server = site.start()
        self.assertEqual(server.queue(), [])
        with server.client() as client:
            client.submit(b"Subject: whole\r\n\r\ntext\r\n")
        self.assertIn(b"Subject: whole", sink.wait_messages(1)[0].header)
        server.wait_queue_empty()
        self.assertEqual(len(sink.messages()), 1)
        self.assert_no_damage(server)


class ProgressTest(CrashTestCase):
    def test_what_was_done_for_some_recipients_is_not_done_again(self):
        replies = {"later@example.org": "451 4.2.1 Later", "never@example.org": "550 5.1.1 Never"}
        hop = self.hop(lambda event, text, hop: replies.get(support.parse_path(text)) if event == "RCPT" else None)
        site = self.site(next_hop=[hop.address], queue={"retry_min": "3s", "retry_max": "3s"})
        server = site.start()
        with server.client() as client:
            client.submit(b"Subject: three fates\r\n\r\ntext\r\n", ["yes@example.org", *replies])
        hop.wait_messages(2)  # the delivery and the bounce
        wait_until(lambda: [message.get("next_attempt") is not None for message in server.queue()] == [True],
                   "the deferral is on disk, and the bounce is done")
        server.kill()
        del replies["later@example.org"]
        server = site.start()
        self.assertEqual([message["num_attempts"] for message in server.queue()], [1])
        messages = hop.wait_messages(3)
        server.wait_queue_empty()
        self.assertEqual(sorted((message.sender, message.recipients) for message in messages),
                         [("", [SENDER]), (SENDER, ["later@example.org"]), (SENDER, ["yes@example.org"])])
        self.assertEqual(len(hop.messages), 3)

    def test_who_asks_at_once_is_told_of_the_mail_that_waits(self):
        site = self.site(next_hop=[f"127.0.0.1:{support.free_port()}"], shards=2, queue=NEVER)
        server = site.start()
        with server.client() as client:
            for _ in range(3):
                client.submit(b"Subject: waiting\r\n\r\ntext\r\n")
        wait_until(lambda: len([m for m in server.queue() if "next_attempt" in m]) == 3, "all are deferred")
        server.kill()
        server = site.start()
        self.assertEqual(server.stats()["messages_queued"], 3)


class ShardCountTest(CrashTestCase):
    def make_message(self, mark):
        """Some small, some in parts; every octet is its own."""
        size = self.random.choice((0, 100, 5000, 65535, 65536, 70_000, 200_000))
        text = self.random.randbytes(size * 3 // 8).hex().encode()
        return b"X-Mark: %d\r\n\r\n" % mark + b"".join(text[i:i + 76] + b"\r\n" for i in range(0, len(text), 76))

    def test_another_number_of_shards_delivers_everything(self):
        port = support.free_port()
        site = self.site()
        sent = {}
        for shards in (2, 1, 4):
            site.write_config(next_hop=[f"127.0.0.1:{port}"], shards=shards, queue=QUICK)
            server = site.start()
            self.assertEqual(len(server.queue()), len(sent))
            for _ in range(8):  # the kernel gives each connection to a shard
                with server.client() as client:
                    for _ in range(4):
                        content = self.make_message(len(sent))
                        client.submit(content)
                        sent[len(sent)] = content
            wait_until(lambda: server.stats()["messages_deferred_total"] > 0, "the next hop was tried")
            server.kill()
        self.assertEqual(len(list(site.spool.glob("shard-*"))), 4)
        for shards in (1, 3):
            site.write_config(next_hop=[f"127.0.0.1:{port}"], shards=shards, queue=QUICK)
            server = site.start()
            self.assertEqual(sorted(message["size"] > 0 for message in server.queue()), [True] * len(sent))
            server.kill()
        sink = self.sink(port=port)
        server = site.start()
        server.wait_queue_empty(40)
        found = {int(re.search(rb"^X-Mark: (\d+)\r$", message.header, re.MULTILINE)[1]): message.body
                 for message in sink.messages()}
        self.assertEqual(len(sink.messages()), len(sent))
        self.assertEqual(sorted(found), sorted(sent))
        for mark, content in sent.items():
            self.assertTrue(content.endswith(b"\r\n\r\n" + found[mark]), f"message {mark} is not what was sent")
        self.assertEqual(server.stop(), 0)

        site.write_config(next_hop=[sink.address], shards=1, queue=QUICK)  # and nothing comes back to life
        server = site.start()
        with server.client() as client:
            client.submit(b"X-Mark: 1000\r\n\r\nlast\r\n")
        sink.wait_messages(len(sent) + 1)
        server.wait_queue_empty()
        self.assertEqual(len(sink.messages()), len(sent) + 1)
        self.assert_no_damage(server)


if __name__ == "__main__":
    support.main()
