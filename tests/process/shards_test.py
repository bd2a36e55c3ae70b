"""`sluice shards`: what each shard is tuned to, and changed while it serves."""
import json
import os
import subprocess

import support
from support import PATIENCE, SLUICE, wait_until

MESSAGE = b"Subject: a test\r\n\r\ntext\r\n"


def shards(server, *arguments):
    """(exit code, output, errors) of `sluice shards`."""
    command, *rest = arguments
    result = subprocess.run([SLUICE, "shards", command, "--config", server.config, *rest], capture_output=True, text=True,
                            timeout=PATIENCE, stdin=subprocess.DEVNULL)
    return result.returncode, result.stdout, result.stderr


def tunings_logged(server):
    return [event["detail"] for event in server.events("Admin") if "is tuned" in event["detail"]]


class SetTest(support.TestCase):
    def test_one_shard_or_all_are_changed_and_the_log_says_so(self):
        server = self.server(shards=2)
        self.assertEqual(shards(server, "set", "batch_wait=2ms", "--shard", "1"),
                         (0, "shard 1: batch_wait from 0s to 2ms\n", ""))
        self.assertEqual(shards(server, "set", "handshake_steps=3"),
                         (0, "shard 0: handshake_steps from 16 to 3\nshard 1: handshake_steps from 16 to 3\n", ""))
        self.assertEqual(shards(server, "get", "batch_wait"), (0, "0s\n2ms\n", ""))
        told = json.loads(shards(server, "get", "--json")[1])
        values = {tunable["name"]: tunable["values"] for tunable in told["tunables"]}
        self.assertEqual(values["handshake_steps"], [3, 3])
        self.assertEqual(values["batch_wait"], ["0s", "2ms"])
        words = wait_until(lambda: (found := tunings_logged(server)) and len(found) == 3 and found, "three events")
        self.assertIn('shard 1 is tuned: batch_wait from "0s" to "2ms"', words)
        with server.client() as client:  # and mail goes on
            client.submit(MESSAGE)

    def test_what_is_wrong_is_told_and_nothing_changes(self):
        server = self.server()
        code, out, err = shards(server, "set", "batch_wait=3ms", "sesions=5", "relay_connections=0")
        self.assertEqual((code, out), (64, ""))
        self.assertEqual(err, 'sluice shards set: sesions: is not a value of a shard, did you mean "sessions"?\n'
                              "relay_connections: 0 is out of range, expected a number from 1 to 10000\n")
        self.assertEqual(shards(server, "get", "batch_wait")[1], "0s\n")
        self.assertEqual(shards(server, "set", "--shard", "7", "sessions=5")[::2],
                         (64, 'sluice shards set: shard: 7 is none, expected 0 to 0 or "all"\n'))
        self.assertEqual(shards(server, "set", "sessions")[0], 64)
        self.assertEqual(shards(server, "get", "nothing")[0], 64)
        server.stop()
        self.assertEqual(shards(server, "get")[0], 69)

    def test_sessions_are_limited_at_once_and_given_back(self):
        server = self.server()
        with server.client():
            self.assertEqual(shards(server, "set", "sessions=1")[0], 0)
            with server.raw() as refused:
                refused.expect(421)
            self.assertEqual(shards(server, "set", "sessions=2")[0], 0)
            with server.client() as second:
                second.submit(MESSAGE)

    def test_every_value_can_be_set_under_load(self):
        sink = self.sink(store=False)
        server = self.server(next_hop=[sink.address], shards=2)
        load = self.run_load("run", "--to", f"127.0.0.1:{server.starttls_port}", "--tls", "starttls", "--user",
                             support.USER, "--password", support.PASSWORD, "--connections", "20", "--messages", "4000",
                             "--size", "3000")
        core = str(sorted(os.sched_getaffinity(0))[0])
        for values in (("batch_bytes=64K", "batch_wait=1ms", "turn_bytes=16K"), ("receive_buffers=16", f"core={core}"),
                       ("relay_connections=1", "handshake_steps=1", "core=any"),
                       ("receive_buffers=256", "relay_connections=9", "batch_wait=0s", "core=auto")):
            code, _, err = shards(server, "set", *values)
            self.assertEqual((code, err), (0, ""))
        self.assertEqual(load.wait(120), 0, load.output())
        server.wait_queue_empty()
        self.assertEqual(server.stats()["messages_delivered_total"], 4000)
        self.assertLessEqual(server.stats()["relay_connections_open"], 2 * 9)

    def test_the_toml_keeps_it(self):
        server = self.server(shards=2)
        shards(server, "set", "batch_wait=2ms")
        shards(server, "set", "--shard", "1", "sessions=77")
        code, kept, _ = shards(server, "get", "--toml")
        self.assertEqual(code, 0)
        self.assertEqual(kept.splitlines()[1:], ["[queue]", 'batch_wait = "2ms"', "[[shard]]", "index = 1", "sessions = 77"])
        server.stop()
        text = server.config.read_text().replace("[queue]\n", '[queue]\nbatch_wait = "2ms"\n')
        server.config.write_text(text + "[[shard]]\nindex = 1\nsessions = 77\n")
        again = server.site.start()
        self.assertEqual(shards(again, "get", "batch_wait")[1], "2ms\n2ms\n")
        self.assertEqual(shards(again, "get", "sessions")[1], "65536\n77\n")
        self.assertEqual(shards(again, "get", "--toml")[1], "# Every value is as configured.\n")

    def test_a_core_that_is_not_there_stops_the_start(self):
        site = self.site()
        site.config.write_text(site.config.read_text() + "[io]\ncore = 1023\n")
        code, err = site.serve_and_fail()
        self.assertEqual(code, 78)
        self.assertIn("core: 1023 is not among the cores", err)
        check = subprocess.run([SLUICE, "check", "--config", site.config], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(check.returncode, 78)
        self.assertIn("problem: shard 0: core: 1023 is not among the cores", check.stderr)


class RebalanceTest(support.TestCase):
    def open_sessions(self, server):
        return [shard["connections_open"] for shard in json.loads(server.admin("/v1/stats"))["shards"]]

    def idle(self, server, count, name):
        load = self.run_load("idle", "--to", f"127.0.0.1:{server.plain_port}", "--connections", str(count), name=name)
        load.wait_ready()
        return load

    def plain_server(self, shards, **tables):
        site = self.site()
        site.write_config(shards=shards, listeners=[(f"127.0.0.1:{site.plain_port}", "plain")], **tables)
        return site.start()

    def test_an_uneven_start_is_even_after_ten_times_as_many(self):
        server = self.plain_server(8)
        # Weights of 42 to 10 give the first shard three eighths of all, which is three times the mean.
        self.assertEqual(shards(server, "set", "--shard", "0", "accept_weight=420")[0], 0)
        self.idle(server, 240, "first")
        before = wait_until(lambda: sum(found := self.open_sessions(server)) == 240 and found, "240 sessions")
        self.assertGreaterEqual(before[0], 2.7 * 30, before)
        self.assertEqual(shards(server, "set", "accept_weight=100")[0], 0)
        self.idle(server, 2400, "more")
        after = wait_until(lambda: sum(found := self.open_sessions(server)) == 2640 and found, "2640 sessions")
        self.assertLessEqual(max(after), 1.05 * 2640 / 8, after)

    def test_a_drained_shard_gets_no_connection_and_keeps_those_it_has(self):
        server = self.plain_server(2)
        self.idle(server, 20, "first")
        before = wait_until(lambda: sum(found := self.open_sessions(server)) == 20 and found, "20 sessions")
        self.assertEqual(shards(server, "set", "--shard", "1", "accept_weight=0")[0], 0)
        self.idle(server, 40, "more")
        self.assertEqual(wait_until(lambda: sum(found := self.open_sessions(server)) == 60 and found, "60 sessions"),
                         [before[0] + 40, before[1]])

    def test_a_server_without_weight_is_not_ready_and_turns_newcomers_away(self):
        server = self.server(shards=2)
        with server.client() as client:
            self.assertEqual(shards(server, "set", "accept_weight=0")[0], 0)
            self.assertIn("accept_weight is 0 on every shard", server.admin("/readyz", expect=503))
            with server.raw() as refused:
                refused.expect(421)
            client.submit(MESSAGE)
            self.assertEqual(shards(server, "set", "--shard", "0", "accept_weight=1")[0], 0)
            server.admin("/readyz")
            with server.client() as newcomer:
                newcomer.submit(MESSAGE)

    def test_a_stop_while_connections_are_passed_ends_in_time(self):
        server = self.plain_server(4)
        shards(server, "set", "--shard", "0", "accept_weight=10000")  # nearly all are passed to it
        load = self.run_load("idle", "--to", f"127.0.0.1:{server.plain_port}", "--connections", "2000", "--keep-going")
        wait_until(lambda: sum(self.open_sessions(server)) > 100, "some sessions")
        self.assertEqual(server.stop(), 0)
        self.assertNotIn("could not be closed", server.errors())
        load.kill()


if __name__ == "__main__":
    support.main()
