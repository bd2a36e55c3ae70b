"""`sluice tune`: what it tries, what it writes, and that it leaves a server as it was when it is stopped."""
import signal
import stat
import subprocess
import tomllib

import support
from support import PATIENCE, SLUICE, wait_until

# Stands in for sluice-load where the figures are to be known: the handshake steps in force are its rate.
FAKE_LOAD = """#!/bin/sh
steps=$({sluice} shards get --config {config} handshake_steps | head -1)
echo "$steps" >> {seen}
{extra}
echo '{{"accepted": 100, "accepted_per_second": '$steps', "latency_ms": {{"answer": {{"p99": 1}}}},' \\
     '"generator": {{"bottleneck": false}}}}'
"""


class TuneTest(support.TestCase):
    def fake(self, server, extra=""):
        program = self.folder / "fake-load"
        program.write_text(FAKE_LOAD.format(sluice=SLUICE, config=server.config, seen=self.folder / "seen", extra=extra))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program

    def tune(self, server, *options):
        return subprocess.run([SLUICE, "tune", "--config", server.config, *map(str, options)], capture_output=True,
                              text=True, timeout=120, stdin=subprocess.DEVNULL)

    def value(self, server, key):
        return subprocess.run([SLUICE, "shards", "get", "--config", server.config, key], capture_output=True, text=True,
                              check=True, timeout=PATIENCE).stdout.split()

    def test_a_value_that_is_better_in_every_run_wins_and_is_written(self):
        server = self.server(shards=2, limits={"handshake_steps": 4})
        output = self.folder / "best.toml"
        result = self.tune(server, "--load-program", self.fake(server, '[ "$steps" -le 16 ] || steps=1'), "--keys",
                           "handshake_steps", "--seconds", "1", "--runs", "2", "--rounds", "1", "--output", output)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.value(server, "handshake_steps"), ["16", "16"])
        self.assertEqual(tomllib.loads(output.read_text()), {"limits": {"handshake_steps": 16}})
        self.assertIn("# handshake_steps 4 or 8: 4 messages a second or 8 messages a second: 8 is better in every run",
                      output.read_text())
        # In turn, and each side as often as was asked for.
        self.assertEqual((self.folder / "seen").read_text().split(),
                         "4 8 4 8 8 16 8 16 16 32 16 32".split())

    def test_what_is_within_the_noise_is_no_win(self):
        server = self.server()
        result = self.tune(server, "--load-program", self.fake(server, "steps=7"), "--keys", "handshake_steps",
                           "--seconds", "1", "--runs", "2")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.value(server, "handshake_steps"), ["16"])
        self.assertIn("the runs overlap, so this is no difference; 16 stays", result.stdout)
        self.assertIn("# Nothing was better than what was in force.", result.stdout)

    def test_the_real_generator_is_understood(self):
        server = self.server()
        password = self.folder / "password"
        password.write_text(support.PASSWORD + "\n")
        result = self.tune(server, "--keys", "batch_wait", "--seconds", "0.2", "--runs", "2", "--rounds", "1", "--goal", "cpu",
                           "--load-program", support.SLUICE_LOAD, "--user", support.USER, "--password-file", password,
                           "--", "--connections", "4", "--size", "1000")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"0s +\d+ messages a second, p99 \d+\.\d+ ms, [1-9]\d*\.\d us of CPU a message")

    def test_values_come_back_when_it_is_interrupted_or_fails(self):
        server = self.server()
        # Hangs at the first run with another value.
        program = self.fake(server, '[ "$steps" = 16 ] || exec sleep 1000')
        tune = support.Program("tune", [SLUICE, "tune", "--config", server.config, "--load-program", program, "--keys",
                                        "handshake_steps", "--runs", "2"], self.folder)
        self.programs.append(tune)
        wait_until(lambda: self.value(server, "handshake_steps") == ["32"] and
                   (self.folder / "seen").exists() and "32" in (self.folder / "seen").read_text(), "the run with 32")
        tune.signal(signal.SIGINT)
        self.assertEqual(tune.wait(), 75)
        self.assertIn("are in force again", tune.errors())
        self.assertEqual(self.value(server, "handshake_steps"), ["16"])

        result = self.tune(server, "--load-program", self.fake(server, "echo it broke >&2; exit 1"), "--keys",
                           "handshake_steps")
        self.assertEqual(result.returncode, 70)
        self.assertIn("it broke", result.stderr)
        self.assertEqual(self.value(server, "handshake_steps"), ["16"])

    def test_wrong_usage_is_told(self):
        server = self.server(shards=2)
        self.assertIn("is not a value of a shard", self.tune(server, "--keys", "nothing").stderr)
        self.assertIn("has no more and less", self.tune(server, "--keys", "core").stderr)
        self.assertEqual(self.tune(server, "--keys", "accept_weight").returncode, 64)
        self.assertEqual(self.tune(server, "--load-program", "/nonexistent").returncode, 66)
        subprocess.run([SLUICE, "shards", "set", "--config", server.config, "--shard", "1", "batch_wait=1ms"], check=True,
                       stdout=subprocess.DEVNULL)
        self.assertIn("differs from shard to shard", self.tune(server, "--keys", "batch_wait").stderr)


if __name__ == "__main__":
    support.main()
