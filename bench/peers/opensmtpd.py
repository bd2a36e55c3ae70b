"""OpenSMTPD of Debian, unpacked beside Postfix; users in a table with crypt(3) passwords.

A message is two files in the queue; the contents are synced (fsync in queue_fs.c), the envelope is not.
Debian 12's package fails TLS handshakes, which is tried before anything is measured.
"""
import os
import smtplib
import ssl
import subprocess

from bench_support import DOMAIN, PASSWORD, write
from peers.peer import Peer, Unavailable, make_certificate, need_packages, over_etc, unpack_packages, with_users


class OpenSmtpd(Peer):
    name = "opensmtpd"
    messages, logins = 5_000, 5_000

    @staticmethod
    def install():
        need_packages("libevent-2.1-7", "libdb5.3", "libssl3")
        return os.path.join(unpack_packages("opensmtpd", "opensmtpd"), "usr", "sbin", "smtpd")

    def __init__(self, work):
        super().__init__(work)
        self.program = self.install()
        for folder in ("etc", "queue", "spool/smtpd", "lib/opensmtpd/empty"):
            os.makedirs(os.path.join(self.dir, folder))
        with_users(os.path.join(self.dir, "etc"), "opensmtpd", "opensmtpq")
        cert, key = make_certificate(self.dir)
        hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD + "\n", stdout=subprocess.PIPE,
                                text=True, check=True).stdout.strip()
        write(os.path.join(self.dir, "users"), "%s\t%s\n" % (self.user, hashed), 0o644)
        self.config = write(os.path.join(self.dir, "smtpd.conf"), """
pki submit cert "%(cert)s"
pki submit key "%(key)s"
table users file:%(dir)s/users
smtp max-message-size 100M
listen on 127.0.0.1 port %(port)d tls-require pki submit auth <users> hostname submit.%(domain)s
action "hop" relay host smtp://127.0.0.1:%(hop)d
match auth from any for any action "hop"
""" % {"cert": cert, "key": key, "dir": self.dir, "port": self.port, "domain": DOMAIN, "hop": self.hop_port})

    def launch(self):
        # The package has its queue, its socket and its empty root at fixed places.
        script = """
set -e
mount -t overlay overlay -o "lowerdir=$0/spool:/var/spool" /var/spool
mount -t overlay overlay -o "lowerdir=$0/lib:/var/lib" /var/lib
mount --bind "$0/queue" /var/spool/smtpd
chmod 711 /var/spool/smtpd
mount -t tmpfs tmpfs /run
exec "$@"
"""
        self.run(*over_etc(os.path.join(self.dir, "etc"), "sh", "-c", script, self.dir, self.program, "-d", "-f",
                           self.config))

    def wait_until_open(self):
        super().wait_until_open()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as client:
                client.starttls(context=context)
                client.login(self.user, PASSWORD)
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable("this package of OpenSMTPD (%s) does not get through STARTTLS and AUTH: %s" % (
                self.version(), error)) from error

    def version(self):
        folder = unpack_packages("opensmtpd", "opensmtpd")
        return next(file.split("_")[1] for file in os.listdir(folder) if file.startswith("opensmtpd_"))
