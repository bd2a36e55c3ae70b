"""What the benchmark programs share: servers of their own under build/, the sink, CPU and memory of processes, a run.

A server here is an object with `name`, `start()`, `stop()`, `cpu_s()` (all its processes, since they began), `port` and `tls`
("starttls" or "implicit") for clients, `user`, `password_file`, `sender`, and `hop_port`, where it relays to (None: nowhere).
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(ROOT, "build", "release"))  # tests look at another one
BIN, BENCH = os.path.join(BUILD, "bin"), os.path.join(BUILD, "bench")
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


def need_programs(*paths):
    for path in paths:
        if not os.access(path, os.X_OK):
            sys.exit("%s is missing: cmake --preset release && cmake --build build/release" % path)


def sluice_load(*arguments):
    return [os.path.join(BIN, "sluice-load"), *arguments]


class ChildrenCpu:
    """CPU of the children that this program has waited for since the last call."""

    def __init__(self):
        self.last = self.total()

    def total(self):
        return os.times().children_user + os.times().children_system

    def take(self):
        used, self.last = self.total() - self.last, self.total()
        return used


def measure(server, messages, connections=50, size=4096, pipelining="auto", per_connection=0, options=()):
    """Sends `messages` to a started server by sluice-load and waits until the sink, if there is one, has the last. Returns
    what it cost. Nothing else may wait for children meanwhile."""
    return run_generator(
        server, messages, server.hop_port,
        ["run", "--messages", str(messages), "--connections", str(connections), "--size", str(size), "--pipelining",
         pipelining, "--per-connection", str(per_connection), "--from", server.sender, *options])


def measure_logins(server, logins, connections=50, options=()):
    """Connect, full TLS 1.3 handshake, AUTH PLAIN, QUIT."""
    return run_generator(server, logins, None, ["login", "--logins", str(logins), "--connections", str(connections),
                                                "--tls-version", "1.3", *options])


def run_generator(server, count, sink_port, arguments):
    sink = None
    if sink_port:
        sink = subprocess.Popen(sluice_load("sink", "--listen", "127.0.0.1:%d" % sink_port, "--until", str(count)),
                                stdout=subprocess.PIPE, text=True)
        assert sink.stdout.readline().strip() == "ready"
    children = ChildrenCpu()
    cpu_before, busy_before, started = server.cpu_s(), machine_busy_s(), time.monotonic()
    try:
        generator = subprocess.run(
            sluice_load(*arguments, "--to", "127.0.0.1:%d" % server.port, "--tls", server.tls, "--groups", "X25519",
                        "--user", server.user, "--password-file", server.password_file, "--json", "-"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if generator.returncode != 0:
            sys.exit("the generator failed against %s:\n%s" % (server.name, generator.stderr or generator.stdout))
        generator_cpu, sink_cpu = children.take(), 0.0
        if sink:
            try:
                sink.wait(timeout=300)
            except subprocess.TimeoutExpired:
                sys.exit("%s has not relayed all messages in 300 s" % server.name)
            sink_cpu = children.take()
    finally:
        if sink and sink.poll() is None:
            sink.kill()
            sink.wait()
    cpu = server.cpu_s() - cpu_before
    busy = machine_busy_s() - busy_before - generator_cpu - sink_cpu
    return {"count": count, "wall_s": time.monotonic() - started, "server_cpu_s": cpu, "busy_s": busy,
            "generator_cpu_s": generator_cpu, "sink_cpu_s": sink_cpu, "per_cpu_s": count / max(cpu, 1 / TICK),
            "generator": json.loads(generator.stdout)}


def count_syscalls(pid, run):
    """Runs `run()` and returns how many system calls the process made meanwhile, or None where perf is missing or may not count
    them. Counting slows each, so the CPU of that run says nothing."""
    if not shutil.which("perf"):
        run()
        return None
    perf = subprocess.Popen(["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", str(pid)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(0.3)  # it does not say when it has begun; what is missed is some of the logins
    try:
        run()
    finally:
        perf.send_signal(signal.SIGINT)
        said = perf.communicate()[1]
    counts = [line.split(",")[0] for line in said.splitlines() if "sys_enter" in line]
    return int(counts[0]) if counts and counts[0].isdigit() else None


def tell(title, name, result):
    print("%-16s %-11s %7d in %5.1f s: %8.0f /CPU s (server %.2f s, busy less clients %.2f s, generator %.2f s, sink %.2f s)" % (
        title, name, result["count"], result["wall_s"], result["per_cpu_s"], result["server_cpu_s"], result["busy_s"],
        result["generator_cpu_s"], result["sink_cpu_s"]), flush=True)


class Sluice:
    def __init__(self, work, discard=False, shards=0, extra="", name="sluice", implicit=False, address="127.0.0.1"):
        """`extra`: TOML tables put at the end of what `sluice init` writes. `implicit`: clients begin with TLS."""
        self.name = name
        self.dir = os.path.join(work, name)
        os.mkdir(self.dir)
        self.port, self.implicit_port, self.hop_port = free_port(), free_port(), free_port()
        self.tls = "starttls"
        self.user = self.sender = "%s@%s" % (USER, DOMAIN)
        self.password_file = write(os.path.join(self.dir, "password"), PASSWORD + "\n", 0o600)
        self.config = os.path.join(self.dir, "sluice.toml")
        with open(self.password_file) as password:
            subprocess.run([os.path.join(BIN, "sluice"), "init", "--dir", self.dir, "--hostname", "submit." + DOMAIN,
                            "--listen-starttls", "%s:%d" % (address, self.port), "--listen-implicit",
                            "127.0.0.1:%d" % self.implicit_port, "--next-hop", "127.0.0.1:%d" % self.hop_port,
                            "--user", self.user, "--password-stdin"], stdin=password, check=True,
                           stdout=subprocess.DEVNULL)
        with open(self.config) as file:
            text = file.read()
        if discard:
            text = text.replace('["127.0.0.1:%d"]' % self.hop_port, '["discard"]')
            self.hop_port = None
        write(self.config, 'shards = %d\nlog_dir = "."\n' % shards + text + extra)
        if implicit:
            self.port, self.tls = self.implicit_port, "implicit"
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
