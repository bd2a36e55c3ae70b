"""The scripts of bench/ still run: each for a moment, with what this build made. Their figures say nothing here."""
import json
import subprocess
import sys
import unittest

import support

SOURCE = support.SOURCE


class BenchTest(support.TestCase):
    def figures(self, script, *arguments):
        """Runs a script that may say that a bar is missed (1), and returns what it wrote."""
        path = self.folder / "figures.json"
        done = subprocess.run([sys.executable, SOURCE / "bench" / script, "--runs", "1", "--scale", "0.0005", "--json", path,
                               *arguments], capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertTrue(path.exists(), done.stdout + done.stderr)
        return json.loads(path.read_text())

    def test_limit(self):
        figures = self.figures("limit", "--sizes", "4096")
        measured = {name for group in figures["rounds"] for run in group["runs"] for name in run}
        self.assertLessEqual({"null", "discard", "relay", "handshakes", "connections"}, measured)
        self.assertLessEqual({("discard", 4096), ("relay", 4096), ("connections", None)},
                             {(ratio["what"], ratio["size"]) for ratio in figures["ratios"]})

    def test_rebalance(self):
        done = subprocess.run([sys.executable, SOURCE / "bench" / "rebalance", "--first", "80", "--more", "300"],
                              capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertRegex(done.stdout, r"and more +(\d+ +){8}max/mean 1\.\d+\npassed +\d+ of 300")

    def test_login_timing(self):
        done = subprocess.run([sys.executable, SOURCE / "bench" / "login_timing", "--rounds", "300", "--failures", "64", "--users", "4"],
                              capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertRegex(done.stdout, r"failures: (not told apart|TOLD APART) at 0\.001 by 12 tests; challenge: advantage of one try 0\.\d+")

    def test_import_users(self):
        done = subprocess.run([sys.executable, SOURCE / "bench" / "import_users", "--users", "2000"],
                              capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertRegex(done.stdout, r"2000 users with keys in \d+\.\d\d s: \d+ a second; (.*\n)*users a second, at least 16667: (met|MISSED)")

    def test_tail(self):
        done = subprocess.run([sys.executable, SOURCE / "bench" / "tail", "--runs", "1", "--seconds", "0.8", "--writes", "100"],
                              capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertRegex(done.stdout, r"p99\.9: medians \d+ and \d+ us: \d+\.\d times the write's \(bar 10\)")

    def test_shards(self):
        done = subprocess.run([sys.executable, SOURCE / "bench" / "shards", "--runs", "1", "--seconds", "0.2", "--rate", "1000"],
                              capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertRegex(done.stdout, r"2 shards / 1 at 1000 a second = \d+\.\d\d, at least 0\.95: (met|MISSED)")

    @unittest.skipUnless(support.IS_ROOT, "needs root, as its peers do")
    def test_compare(self):
        for what in ("messages", "logins"):
            figures = self.figures("compare", "--peers", "", "--what", what)
            self.assertGreater(figures["rounds"][0]["sluice"]["per_cpu_s"], 0)


if __name__ == "__main__":
    unittest.main()
