"""What the other servers share. A peer is a server as bench_support.py says, and a class with

    name, syncs (is a message on disk before its 250?), messages and logins of a run of about 10 s,
    install()      puts its programs below build/peers, or says why it cannot (Unavailable); once done it is quick
    __init__(work) writes its configuration into a folder of its own in `work`
    start(), stop()

All of a peer's processes are in a control group, whose CPU counts also those that lost their parent or were never waited
for. Peers run in a mount namespace where they need files of theirs in /etc: the machine's own are not touched.
"""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

from bench_support import DOMAIN, PASSWORD, ROOT, USER, free_port, write

BUILD = os.path.join(ROOT, "build", "peers")
USERS = "%s@%s" % (USER, DOMAIN)


class Unavailable(Exception):
    pass


class Peer:
    tls = "starttls"
    user = sender = USERS
    syncs = True

    def __init__(self, work):
        os.chmod(work, 0o755)
        self.dir = os.path.join(work, self.name)
        os.mkdir(self.dir)
        self.port, self.hop_port = free_port(), free_port()
        self.password_file = write(os.path.join(self.dir, "password"), PASSWORD + "\n", 0o600)
        self.group = None

    def start(self):
        if self.group:
            return
        self.group = ControlGroup(self.name)
        try:
            self.launch()
            self.wait_until_open()
        except BaseException:
            self.stop()
            raise

    def wait_until_open(self):
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                if probe.recv(3) == b"220":
                    return
            time.sleep(0.1)
        with open(os.path.join(self.dir, "log")) as log:
            raise Unavailable("%s did not start: %s" % (self.name, log.read()[-1000:].strip()))

    def run(self, *command, **options):
        """Starts a program in the group; its output goes to `log` in the peer's folder."""
        with open(os.path.join(self.dir, "log"), "a") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    preexec_fn=self.group.join, **options)

    def cpu_s(self):
        return self.group.cpu_s()

    def stop(self):
        if self.group:
            self.group.end()
            self.group = None


class ControlGroup:
    """A child of our own control group (version 2; no controller is needed). Needs root."""

    def __init__(self, name):
        self.path = os.path.join(self.own(), "bench-%d-%s" % (os.getpid(), name))
        os.mkdir(self.path)

    @staticmethod
    def own():
        mounts = [line.split() for line in open("/proc/self/mounts")]
        root = next((mount[1] for mount in mounts if mount[2] == "cgroup2"), None)
        for line in open("/proc/self/cgroup"):
            if line.startswith("0::") and root:
                return root + line[3:].strip()
        raise Unavailable("no control groups (version 2) on this machine, and without them no CPU of all processes")

    def join(self):
        with open(os.path.join(self.path, "cgroup.procs"), "w") as file:
            file.write("0")

    def cpu_s(self):
        for line in open(os.path.join(self.path, "cpu.stat")):
            if line.startswith("usage_usec "):
                return int(line.split()[1]) / 1e6
        raise RuntimeError("no usage_usec in " + self.path)

    def pids(self):
        with open(os.path.join(self.path, "cgroup.procs")) as file:
            return [int(pid) for pid in file]

    def end(self):
        """Ends every process in it: first with SIGTERM, what is left after 5 s with SIGKILL."""
        for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 10)):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(-1, os.WNOHANG)
                with contextlib.suppress(OSError):  # busy while a process is left
                    return os.rmdir(self.path)
                time.sleep(0.05)
        raise RuntimeError("processes are left in %s: %s" % (self.path, self.pids()))


def make_certificate(folder):
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=submit." + DOMAIN, "-days", "30", "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    return cert, key


def need_packages(*names):
    """Installs Debian packages that are missing."""
    state = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *names],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    missing = [name for name in names if "installed " + name not in state.splitlines()]
    if not missing:
        return
    print("installing %s" % " ".join(missing), flush=True)
    with open(os.path.join(ROOT, "tools", "deps", "install_packages")) as script:
        done = subprocess.run(["bash", "-s", "--", *missing], stdin=script, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Unavailable("apt could not install %s:\n%s" % (" ".join(missing), done.stdout[-2000:]))


def unpack_packages(name, *packages):
    """Unpacks Debian packages that would conflict with Postfix into a folder of their own, which is returned."""
    folder = os.path.join(BUILD, name)
    if os.path.exists(os.path.join(folder, "complete")):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    subprocess.run(["apt-get", "update"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    fetched = subprocess.run(["apt-get", "download", *packages], cwd=folder, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    if fetched.returncode != 0:
        raise Unavailable("apt could not download %s: %s" % (" ".join(packages), fetched.stdout[-500:]))
    for file in os.listdir(folder):
        if file.endswith(".deb"):
            subprocess.run(["dpkg", "-x", file, "."], cwd=folder, check=True)
    open(os.path.join(folder, "complete"), "w").close()
    return folder


def with_users(etc, *users):
    """Puts passwd and group into `etc`, the machine's own with system users added."""
    os.makedirs(etc, exist_ok=True)
    for file, line in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"), ("group", "{0}:x:{1}:\n")):
        with open(os.path.join("/etc", file)) as machine:
            text = machine.read()
        for number, user in enumerate(users, 64000):
            text += line.format(user, number)
        write(os.path.join(etc, file), text)


def over_etc(etc, *command):
    """`command` in a mount namespace where the files in `etc` lie over those of /etc."""
    script = 'mount -t overlay overlay -o "lowerdir=$0:/etc" /etc && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, etc, *command]
