"""What the benchmark programs share: a Sluice of their own under build/, CPU and memory of processes."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.join(ROOT, "build", "release", "bin")
USER, DOMAIN, PASSWORD = "bulk", "bench.example", "a-password-for-benchmarks"
TICK = os.sysconf("SC_CLK_TCK")


class WorkFolder:
    """A folder under build/, on the disk that the spool is to be measured on; removed at the end."""

    def __enter__(self):
        os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
        self.path = tempfile.mkdtemp(prefix="bench-", dir=os.path.join(ROOT, "build"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def machine_busy_s():
    with open("/proc/stat") as file:
        fields = [int(f) for f in file.readline().split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / TICK  # all but idle and iowait


def stat_fields(pid):
    with open("/proc/%s/stat" % pid) as file:
        return file.read().rsplit(")", 1)[1].split()


def tree_cpu_s(root):
    """CPU of a process and its descendants, those that ended and were waited for included."""
    parents, ticks = {}, {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fields = stat_fields(name)
        except OSError:
            continue
        parents[int(name)] = int(fields[1])
        ticks[int(name)] = sum(int(f) for f in fields[11:15])  # own and of waited-for children
    total = 0
    for pid in ticks:
        ancestor = pid
        while ancestor not in (0, 1, root):
            ancestor = parents.get(ancestor, 0)
        if ancestor == root:
            total += ticks[pid]
    return total / TICK


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write(path, text, mode=0o644):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def pss_bytes(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no Pss")


class Sluice:
    name = "sluice"

    def __init__(self, work, discard=False, shards=0, extra="", address="127.0.0.1"):
        """`extra`: TOML tables put at the end of what `sluice init` writes."""
        self.dir = os.path.join(work, "sluice")
        os.mkdir(self.dir)
        self.port, self.hop_port = free_port(), free_port()
        self.user = self.sender = "%s@%s" % (USER, DOMAIN)
        self.password_file = write(os.path.join(self.dir, "password"), PASSWORD + "\n", 0o600)
        self.config = os.path.join(self.dir, "sluice.toml")
        with open(self.password_file) as password:
            subprocess.run([os.path.join(BIN, "sluice"), "init", "--dir", self.dir, "--hostname", "submit." + DOMAIN,
                            "--listen-starttls", "%s:%d" % (address, self.port), "--next-hop", "127.0.0.1:%d" % self.hop_port,
                            "--user", self.user, "--password-stdin"], stdin=password, check=True,
                           stdout=subprocess.DEVNULL)
        with open(self.config) as file:
            text = file.read()
        if discard:
            text = text.replace('["127.0.0.1:%d"]' % self.hop_port, '["discard"]')
        write(self.config, 'shards = %d\nlog_dir = "."\n' % shards + text + extra)
        self.process = None

    def start(self):
        if self.process:
            return
        self.log = open(os.path.join(self.dir, "serve.log"), "w")
        self.process = subprocess.Popen([os.path.join(BIN, "sluice"), "serve", "--config", self.config],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        if self.process.stdout.readline().strip() != "ready":
            self.process.wait()
            with open(self.log.name) as log:
                sys.exit("sluice serve did not start:\n" + log.read())

    def cpu_s(self):
        return tree_cpu_s(self.process.pid)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None
