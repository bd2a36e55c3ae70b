"""Postfix of Debian: SASL by sasldb, its usual store where no Dovecot is; STARTTLS; everything relayed to the sink.

A message is a file in the queue, written by cleanup and synced before the 250 (fsync in mail_stream_finish).
"""
import os
import shutil
import subprocess

from bench_support import DOMAIN, PASSWORD, USER, write
from peers.peer import Peer, Unavailable, make_certificate


class Postfix(Peer):
    name = "postfix"
    messages, logins = 5_000, 8_000

    @staticmethod
    def install():
        if not shutil.which("postfix") or not shutil.which("saslpasswd2"):
            raise Unavailable("postfix and saslpasswd2 are missing: run tools/setup")

    def __init__(self, work):
        super().__init__(work)
        for folder in ("etc", "queue", "data"):
            os.mkdir(os.path.join(self.dir, folder))
        subprocess.run(["chown", "postfix", os.path.join(self.dir, "data")], check=True)
        etc = self.etc = os.path.join(self.dir, "etc")
        sasldb = os.path.join(self.dir, "sasldb2")
        subprocess.run(["saslpasswd2", "-p", "-f", sasldb, "-c", "-u", DOMAIN, USER], input=PASSWORD, text=True, check=True)
        subprocess.run(["chown", "postfix", sasldb], check=True)
        os.mkdir(os.path.join(etc, "sasl"))  # where Debian's Postfix looks, whatever cyrus_sasl_config_path says
        write(os.path.join(etc, "sasl", "smtpd.conf"),
              "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: %s\nmech_list: PLAIN LOGIN\n" % sasldb)
        cert, key = make_certificate(etc)
        write(os.path.join(etc, "main.cf"), """
compatibility_level = 3.6
queue_directory = %(dir)s/queue
data_directory = %(dir)s/data
maillog_file = %(dir)s/maillog
maillog_file_prefixes = %(dir)s
mail_owner = postfix
setgid_group = postdrop
myhostname = submit.%(domain)s
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks =
alias_maps =
alias_database =
relayhost = [127.0.0.1]:%(hop)d
smtp_tls_security_level = none
smtp_host_lookup = native
disable_dns_lookups = yes
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
default_destination_concurrency_limit = 50
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = %(cert)s
smtpd_tls_key_file = %(key)s
tls_eecdh_auto_curves = X25519
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_local_domain = %(domain)s
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
""" % {"dir": self.dir, "domain": DOMAIN, "hop": self.hop_port, "cert": cert, "key": key})
        services = ["%d inet n - n - - smtpd" % self.port]
        for line in """pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd""".splitlines():
            services.append(line)
        write(os.path.join(etc, "master.cf"), "\n".join(services) + "\n")

    def launch(self):
        self.run("postfix", "-c", self.etc, "start").wait()
