"""What `sluice-load` tells of a run against a real sluice, and what it is held to."""
import csv
import json
import os
import pty
import re
import select
import subprocess

import support
from support import PASSWORD, USER


class ReportCase(support.TestCase):
    def run_options(self):
        return ["run", "--to", f"127.0.0.1:{self.msa.starttls_port}", "--tls", "starttls", "--user", USER, "--password", PASSWORD,
                "--connections", "4"]

    def load(self, *options, exit_code=0):
        """Runs to its end; what it said."""
        program = self.run_load(*self.run_options(), *options)
        self.assertEqual(program.wait(), exit_code, program.output() + program.errors())
        return program.output()


class ReportTest(ReportCase):
    def test_all_forms_tell_the_same_and_know_the_server(self):
        files = {kind: self.folder / f"run.{kind}" for kind in ("json", "csv", "html")}
        options = [word for kind, file in files.items() for word in (f"--{kind}", file)]
        self.msa = self.server()
        said = self.load("--messages", "2000", "--threads", "2", "--server-pid", self.msa.pid, *options)
        report = json.loads(files["json"].read_text())
        self.assertEqual(report["accepted"], 2000)
        self.assertEqual(sum(report["series"]["accepted"]), 2000)
        self.assertGreater(report["server"]["cpu_seconds"], 0)
        self.assertGreater(report["server"]["rss_bytes_max"], 1 << 20)
        self.assertFalse(report["server"]["ended"])
        with files["csv"].open() as lines:
            rows = list(csv.DictReader(lines))
        self.assertEqual([int(row["accepted"]) for row in rows], report["series"]["accepted"])
        self.assertEqual(support.page_data(files["html"]), report)
        self.assertRegex(said, r"(?m)^server +CPU ")
        self.assertNotIn("\x1b", said)  # no live view where there is no terminal

    def test_a_terminal_has_a_live_view_above_the_report(self):
        self.msa = self.server()
        terminal, end = pty.openpty()
        program = subprocess.Popen(
            [support.SLUICE_LOAD, *self.run_options(), "--rate", "100", "--arrivals", "fixed", "--messages", "250"], stdin=subprocess.DEVNULL,
            stdout=end, stderr=end)
        self.addCleanup(program.kill)
        os.close(end)
        said = b""
        while select.select([terminal], [], [], support.PATIENCE)[0]:
            try:
                more = os.read(terminal, 65536)
            except OSError:  # its other end is closed
                break
            said += more
        os.close(terminal)
        self.assertEqual(program.wait(support.PATIENCE), 0)
        text = said.decode()
        self.assertRegex(text, r"rate +\d+ a second")
        self.assertIn("\x1b[J", text)  # drawn anew
        self.assertIn("accepted     250 in", text.rsplit("\x1b[J", 1)[1])


class BoundsTest(ReportCase):
    def test_bounds_that_are_kept(self):
        self.msa = self.server()
        self.load("--messages", "100", "--max-p99", "60s", "--max-p99.9", "60s", "--max-failures", "0", "--min-rate", "0.1")

    def test_each_missed_bound_is_told_and_the_exit_code_is_3(self):
        self.msa = self.server()
        said = self.load("--messages", "100", "--max-p99", "1us", "--min-rate", "9999999", exit_code=3)
        self.assertRegex(said, r"(?m)^MISSED +p99 of answer: .* wanted at most 0\.001 ms$")
        self.assertRegex(said, r"(?m)^MISSED +rate: .* wanted at least 1e\+07$")

    def test_a_server_that_is_not_there_is_told_before_anything_is_sent(self):
        self.msa = self.server()
        program = self.run_load(*self.run_options(), "--messages", "1", "--server-pid", "4194305")  # more than there can be
        self.assertEqual(program.wait(), 2)
        self.assertIn("--server-pid: no process 4194305", program.errors())
        self.assertEqual(self.msa.stats()["messages_received_total"], 0)


if __name__ == "__main__":
    support.main()
