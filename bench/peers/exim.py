"""Exim of Debian (exim4-daemon-light, GnuTLS), unpacked beside Postfix, with which it conflicts as a package.

Users in a file with MD5 crypt, as exim-adduser of the package makes it. Each message is delivered at once by a process of
its own, Exim's default: bounds that would leave messages to the next queue run are lifted. Connections to the hop are kept from
message to message where Exim finds one waiting for the same host. A message is two files (-D and -H), both synced before the 250.
"""
import os
import subprocess

from bench_support import DOMAIN, PASSWORD, write
from peers.peer import Peer, make_certificate, need_packages, over_etc, unpack_packages, with_users


class Exim(Peer):
    name = "exim"
    messages, logins = 2_000, 4_000

    @staticmethod
    def install():
        need_packages("libdb5.3", "libgnutls30", "libgnutls-dane0", "libidn12", "libidn2-0", "libnsl2", "libpcre2-8-0")
        return os.path.join(unpack_packages("exim", "exim4-daemon-light", "exim4-base"), "usr", "sbin", "exim4")

    def __init__(self, work):
        super().__init__(work)
        self.program = self.install()
        os.chmod(self.program, 0o755)  # root starts it; it need not be a setuid program in a build folder
        self.etc = os.path.join(self.dir, "etc")
        with_users(self.etc, "Debian-exim")
        cert, key = make_certificate(self.dir)
        os.chmod(key, 0o644)
        hashed = subprocess.run(["openssl", "passwd", "-1", "-stdin"], input=PASSWORD + "\n", stdout=subprocess.PIPE,
                                text=True, check=True).stdout.strip()
        write(os.path.join(self.dir, "passwd"), "%s:%s\n" % (self.user, hashed))
        for folder in ("spool", "logs"):
            os.mkdir(os.path.join(self.dir, folder))
            os.chown(os.path.join(self.dir, folder), 64000, 64000)
        os.mkdir(os.path.join(self.etc, "exim4"))
        write(os.path.join(self.etc, "exim4", "exim4.conf"), """
exim_path = %(program)s
spool_directory = %(dir)s/spool
log_file_path = %(dir)s/logs/%%slog
pid_file_path = %(dir)s/spool/exim.pid
primary_hostname = submit.%(domain)s
local_interfaces = 127.0.0.1
daemon_smtp_ports = %(port)d
domainlist local_domains =
host_lookup =
rfc1413_hosts =
deliver_drop_privilege = true
split_spool_directory = true
smtp_accept_max = 400
smtp_connect_backlog = 400
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
smtp_receive_timeout = 60s
acl_smtp_rcpt = acl_rcpt
tls_advertise_hosts = *
tls_certificate = %(cert)s
tls_privatekey = %(key)s
tls_resumption_hosts = *
keep_environment =

begin acl
acl_rcpt:
  accept authenticated = *
  deny message = authenticate first

begin routers
hop:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = hop

begin transports
hop:
  driver = smtp
  port = %(hop)d
  allow_localhost = true
  hosts_avoid_tls = *
  hosts_try_fastopen = :
  dnssec_request_domains = :

begin retry
* * F,1h,1m

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_advertise_condition = ${if def:tls_in_cipher}
  server_condition = ${if crypteq{$auth3}{${extract{1}{:}{${lookup{$auth2}lsearch{%(dir)s/passwd}{$value}{*:*}}}}}}
  server_set_id = $auth2
""" % {"program": self.program, "dir": self.dir, "domain": DOMAIN, "port": self.port, "hop": self.hop_port, "cert": cert,
       "key": key})

    def launch(self):
        self.run(*over_etc(self.etc, self.program, "-bdf", "-q10m"))
