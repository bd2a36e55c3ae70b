"""Haraka of npm: two workers for two cores, auth/flat_file, everything relayed to the sink by its outbound queue.

A message is a file in queue/, synced before the 250 (outbound/fsync_writestream.js). A next hop's connection serves one
message: 3.1 has no pool any more. Newer versions than this want a newer Node.js than Debian 12 has.
"""
import json
import os
import shutil
import subprocess

from bench_support import DOMAIN, PASSWORD, write
from peers.peer import BUILD, Peer, Unavailable, make_certificate, need_packages

VERSION = "3.1.1"


class Haraka(Peer):
    name = "haraka"
    messages, logins = 3_000, 5_000

    @staticmethod
    def install():
        if not shutil.which("npm"):
            need_packages("nodejs", "npm")
        folder = os.path.join(BUILD, "haraka-" + VERSION)
        program = os.path.join(folder, "node_modules", "Haraka", "bin", "haraka")
        if not os.path.exists(os.path.join(folder, "complete")):
            os.makedirs(folder, exist_ok=True)
            done = subprocess.run(["npm", "install", "--prefix", folder, "--ignore-scripts", "--omit=dev", "--omit=optional",
                                   "--no-audit", "--no-fund", "Haraka@" + VERSION], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0:
                raise Unavailable("npm could not install Haraka %s: %s" % (VERSION, done.stdout[-1000:]))
            open(os.path.join(folder, "complete"), "w").close()
        return program

    def __init__(self, work):
        super().__init__(work)
        self.program = self.install()
        shutil.copytree(os.path.join(os.path.dirname(self.program), "..", "config"), os.path.join(self.dir, "config"))
        for folder in ("plugins", "queue"):
            os.mkdir(os.path.join(self.dir, folder))
        make_certificate(self.dir)
        for file, text in {
                "smtp.ini": "listen=127.0.0.1:%d\nnodes=2\ndaemonize=false\n" % self.port,
                "me": "submit.%s\n" % DOMAIN,
                "host_list": "",
                "plugins": "tls\nauth/flat_file\nhop\n",
                "log.ini": "[main]\nlevel=WARN\n",
                "loglevel": "WARN\n",
                "tls.ini": "key=%s/key.pem\ncert=%s/cert.pem\n" % (self.dir, self.dir),
                "outbound.ini": "concurrency_max=100\nenable_tls=false\n",
                "auth_flat_file.ini": "[core]\nmethods=PLAIN,LOGIN\n[users]\n%s=%s\n" % (self.user, PASSWORD)}.items():
            write(os.path.join(self.dir, "config", file), text)
        write(os.path.join(self.dir, "plugins", "hop.js"), """
exports.register = function () {
    this.register_hook('rcpt', 'take_rcpt');
    this.register_hook('get_mx', 'next_hop');
};
exports.take_rcpt = function (next, connection) { connection.relaying ? next(OK) : next(DENY); };
exports.next_hop = function (next) { next(OK, %s); };
""" % json.dumps({"priority": 0, "exchange": "127.0.0.1", "port": self.hop_port}))

    def launch(self):
        self.run("node", self.program, "-c", self.dir, cwd=self.dir)
