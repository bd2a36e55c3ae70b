"""What `sluice-load` can do, against a real sluice: each mode counts what the server counts.

How a loop behaves in time is tested in tests/unit/load, on a simulated clock; here it is that TLS, logins, the ring and
the report carry it.
"""
import csv
import errno
import json

import support
from support import PASSWORD, USER


class LoadCase(support.TestCase):
    def load(self, mode, *options, to=None, exit_code=0, json_report=True):
        """Runs to its end; its report."""
        report = self.folder / f"{mode}.json"
        to = to or [f"127.0.0.1:{self.msa.starttls_port}"]
        addresses = [word for address in to for word in ("--to", address)]
        more = ["--json", report] if json_report else []
        program = self.run_load(mode, *addresses, *more, *options, name=f"load-{mode}")
        self.assertEqual(program.wait(), exit_code, program.output() + program.errors())
        self.said = program.output()
        return json.loads(report.read_text()) if json_report else None

    def page_options(self):
        return ["--html", self.folder / "run.html", "--csv", self.folder / "run.csv"]

    def page(self):
        return support.page_data(self.folder / "run.html")

    def rows(self):
        """What was accepted, second by second."""
        with (self.folder / "run.csv").open() as lines:
            return [int(row["accepted"]) for row in csv.DictReader(lines)]

    def login_options(self, tls="starttls"):
        return ["--tls", tls, "--user", USER, "--password", PASSWORD]


class OpenLoopTest(LoadCase):
    def test_messages_are_sent_at_a_rate(self):
        self.msa = self.server()
        report = self.load("run", *self.login_options(), "--rate", "200", "--arrivals", "fixed", "--messages", "300",
                           "--connections", "4", "--threads", "2")
        self.assertEqual((report["accepted"], report["failed"]), (300, 0))
        self.assertEqual(report["latency_ms"]["scheduled"]["count"], 300)
        self.assertEqual(report["open_loop"]["unsent"], 0)
        # The last is due 1.495 s after the first, and none is sent early: a closed loop takes a tenth of it.
        self.assertGreaterEqual(report["seconds"], 1.49)
        self.assertEqual(self.msa.stats()["messages_received_total"], 300)


class LoginTest(LoadCase):
    def test_a_storm_of_logins_and_its_resumption(self):
        self.msa = self.server()
        for version in ("1.2", "1.3"):
            before = self.counted()
            report = self.load("login", *self.login_options(), "--logins", "60", "--connections", "3", "--tls-version",
                               version, "--resume")
            self.assertEqual((report["logins"], report["failed"]), (60, 0))
            self.assertEqual((report["handshakes"], report["handshakes_resumed"]), (60, 57))
            self.assertEqual([after - before for before, after in zip(before, self.counted())], [60, 57, 0])

    def counted(self):
        stats = self.msa.stats()
        return (stats["logins_total"]["PLAIN"]["success"], stats["tls_handshakes_total"]["resumed"],
                stats["messages_received_total"])

    def test_a_wrong_password_fails_it(self):
        self.msa = self.server()
        report = self.load("login", "--tls", "starttls", "--user", USER, "--password", "wrong", "--logins", "5",
                           "--rate", "100", exit_code=1)
        self.assertEqual(report["logins"], 0)
        self.assertEqual([(f["phase"], f["code"]) for f in report["failures"]], [("auth", 535)])


class SourceTest(LoadCase):
    def test_connections_come_from_each_address(self):
        self.msa = self.server()
        self.load("login", *self.login_options(), "--logins", "12", "--connections", "6", "--source",
                  "127.0.0.2-127.0.0.3", "--source", "127.0.1.0/32")
        peers = [event["peer_address"]["addr"] for event in self.msa.wait_events("Auth", 12)]
        self.assertEqual({peer.split(":")[0] for peer in peers}, {"127.0.0.2", "127.0.0.3", "127.0.1.0"})

    def test_an_address_of_another_machine_is_told(self):
        self.msa = self.server()
        report = self.load("login", *self.login_options(), "--logins", "1", "--source", "192.0.2.1", exit_code=1)
        self.assertEqual([(f["phase"], f["code"]) for f in report["failures"]], [("connect", errno.EADDRNOTAVAIL)])


class IdleTest(LoadCase):
    def test_a_noop_in_time_keeps_a_session(self):
        self.msa = self.server(limits={"idle_timeout": "3s", "idle_timeout_authenticated": "3s"})
        report = self.load("idle", *self.login_options(), "--connections", "10", "--hold", "6", "--keepalive", "1s",
                           "--keepalive-share", "0.6", exit_code=1)
        self.assertEqual((report["logins"], report["survivors"], report["logins_lost"]), (10, 6, 4))
        self.assertEqual([(f["phase"], f["code"], f["count"]) for f in report["failures"]], [("closing", 421, 4)])
        self.assertGreaterEqual(report["keepalives"], 6)


class MixTest(LoadCase):
    GOOD = """
        [[client]]
        name = "bulk"
        share = 3
        size = "1k-64k"
        recipients = "1-3"
        pipelining = "deep"

        [[client]]
        name = "people"
        share = 5
        per_connection = 1
        resume = true
        think = "200ms"
        """
    BAD = ("wrong-password", "slow", "half-close", "quit-in-data", "garbage", "connect-only")

    def mix(self, text, *options, **more):
        path = self.folder / "mix.toml"
        path.write_text(text)
        self.report = self.load("mix", path, *self.login_options(), "--connections", "20", "--seconds", "3", *options, **more)
        return {client["name"]: client for client in self.report["clients"]}

    def test_good_clients_are_served_beside_bad_ones(self):
        self.msa = self.server(limits={"handshake_timeout": "2s"})
        bad = "".join(f'[[client]]\nname = "{name}"\nbehaviour = "{name}"\nconnections = 2\n' for name in self.BAD)
        clients = self.mix(self.GOOD + bad, *self.page_options(), "--server-pid", self.msa.pid)
        self.assertEqual(set(clients), {"bulk", "people", *self.BAD})
        self.assertEqual((clients["bulk"]["connections"], clients["people"]["connections"]), (3, 5))
        for name in ("bulk", "people"):
            self.assertTrue(clients[name]["succeeded"])
            self.assertGreater(clients[name]["accepted"], 0)
        self.assertGreater(clients["people"]["handshakes_resumed"], 0)
        self.assertEqual({f["code"] for f in clients["wrong-password"]["failures"]} - {421}, {535})
        for name in self.BAD:
            self.assertFalse(clients[name]["good"])
            self.assertEqual(clients[name]["accepted"], 0, name)
        accepted = clients["bulk"]["accepted"] + clients["people"]["accepted"]
        self.assertEqual(self.msa.stats()["messages_received_total"], accepted)
        self.assertEqual(self.report["all"]["accepted"], accepted)
        self.assertEqual(self.report["all"]["failed"], 0)
        self.assertGreater(self.report["all"]["server"]["cpu_seconds"], 0)
        self.assertEqual(self.page(), self.report["all"])
        self.assertEqual(self.rows(), self.report["all"]["series"]["accepted"])

    def test_a_bound_is_of_all_good_clients_together(self):
        self.msa = self.server()
        self.mix(self.GOOD, "--min-rate", "1000000", exit_code=3)
        self.assertEqual(len(self.report["all"]["bounds_missed"]), 1)
        self.assertTrue(all(client["bounds_missed"] == [] for client in self.report["clients"]))

    def test_a_good_client_that_fails_fails_it(self):
        self.msa = self.server()
        clients = self.mix(self.GOOD + '[[client]]\nname = "nobody"\nshare = 1\nuser = "nobody"\n', exit_code=1)
        self.assertEqual([name for name, client in clients.items() if not client["succeeded"]], ["nobody"])


class SoakTest(LoadCase):
    def test_it_tells_how_it_goes_and_where_it_drifts(self):
        self.msa = self.server()
        # Whether a server of seconds seems to grow is no matter here, so either exit code will do.
        report_file = self.folder / "soak.json"
        program = self.run_load("soak", "--to", f"127.0.0.1:{self.msa.starttls_port}", *self.login_options(), "--hours",
                                "0.002", "--every", "1s", "--rate", "50", "--server-pid", str(self.msa.pid), "--json",
                                report_file, "--connections", "4")
        self.assertIn(program.wait(), (0, 1), program.errors())
        report = json.loads(report_file.read_text())
        self.assertEqual(report["failed"], 0)
        samples = report["soak"]["samples"]
        self.assertGreaterEqual(len(samples), 3)
        self.assertLessEqual(sum(sample["accepted"] for sample in samples), report["accepted"])
        self.assertGreater(samples[-1]["pss_bytes"], 1 << 20)
        self.assertGreater(samples[-1]["descriptors"], 3)
        self.assertEqual([drift["figure"] for drift in report["soak"]["drifts"]][:3], ["RSS", "PSS", "descriptors"])
        self.assertIn("hours", program.output().splitlines()[0])
        self.assertIn("drift        RSS", program.output())


class SearchTest(LoadCase):
    STEP = ["--step", "500ms", "--warm-up", "100ms", "--arrivals", "fixed", "--tries", "1", "--needed", "1"]

    def test_what_holds_is_found(self):
        self.msa = self.server()
        report = self.load("search", *self.login_options(), *self.STEP, "--p99", "5s", "--rate", "20", "--rate-max", "40",
                           *self.page_options())
        self.assertEqual([step["held"] for step in report["steps"]], [True, True])
        self.assertEqual((report["held_rate"], report["missed_rate"]), (40, None))
        self.assertEqual(self.page()["open_loop"]["rate"], 40)
        self.assertEqual(self.rows(), self.page()["series"]["accepted"])
        self.assertGreater(self.msa.stats()["messages_received_total"], 30)

    def test_what_no_rate_holds_fails(self):
        hop = self.sink("--fault", "end=200ms")
        report = self.load("search", *self.STEP, "--p99", "100ms", "--rate", "10", "--rate-min", "5", *self.page_options(),
                           to=[hop.address], exit_code=1)
        self.assertFalse((self.folder / "run.html").exists())
        self.assertEqual([(step["rate"], step["held"]) for step in report["steps"]], [(10, False), (5, False)])
        self.assertEqual(report["held_rate"], 0)
        self.assertGreaterEqual(report["steps"][0]["p99_ms"], 200)


if __name__ == "__main__":
    support.main()
