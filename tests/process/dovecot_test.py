"""Logins that a real Dovecot decides, by real clients; and Dovecot going away and coming back."""
import contextlib
import grp
import os
import pathlib
import pwd
import signal
import smtplib
import subprocess
import threading
import unittest

import support
from support import PASSWORD, PATIENCE, USER

DOVECOT = next((path for path in ("/usr/sbin/dovecot", "/usr/local/sbin/dovecot") if os.access(path, os.X_OK)), None)
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
USERS = f"""\
{USER}:{{PLAIN}}{PASSWORD}::::::
bob@example.net:{{PLAIN}}secret::::::sluice_address=bob@example.org,b.o.b@example.org sluice_domain=bob.example sluice_tenant=acme
off@example.net:{{PLAIN}}secret::::::nologin
"""


class Dovecot(support.Program):
    """Its auth service alone, on a UNIX socket and a port, as the user of the test."""

    def __init__(self, test, name="dovecot", mechanisms=MECHANISMS):
        self.folder = test.folder / f"{name}.d"
        self.folder.mkdir(exist_ok=True)
        self.socket = self.folder / "auth"
        self.port = getattr(test, "dovecot_port", None) or support.free_port()
        test.dovecot_port = self.port
        user = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(os.getegid()).gr_name
        (self.folder / "users").write_text(USERS)
        config = self.folder / "dovecot.conf"
        # Nothing of the machine's own is used: neither its accounts nor its folders.
        config.write_text(f"""
            base_dir = {self.folder}/run
            state_dir = {self.folder}/state
            log_path = /dev/stderr
            protocols = none
            ssl = no
            default_internal_user = {user}
            default_internal_group = {group}
            default_login_user = {user}
            first_valid_uid = 0
            auth_mechanisms = {" ".join(mechanisms).lower()}
            auth_failure_delay = 0
            passdb {{
              driver = passwd-file
              args = {self.folder}/users
            }}
            service anvil {{
              chroot =
              unix_listener anvil-auth-penalty {{
                mode = 0  # or each failure of an address makes its next answers slower
              }}
            }}
            service stats {{
              chroot =
            }}
            service auth {{
              user = {user}
              unix_listener {self.socket} {{
                mode = 0666
              }}
              inet_listener {{
                address = 127.0.0.1
                port = {self.port}
              }}
            }}
            """)
        super().__init__(name, [DOVECOT, "-F", "-c", config], test.folder)
        support.wait_until(lambda: self.socket.exists() or not self.running(), "Dovecot listens")
        assert self.running(), self.errors()

    def stop(self, seconds=PATIENCE):
        """All of it: its auth process would go on for half a minute for those that are connected."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        auth = [int(pid) for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text() == "auth\n"]
        code = super().stop(seconds)
        for pid in auth:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return code

    def cleanup(self):
        if self.running():
            self.stop()


@unittest.skipIf(DOVECOT is None, "there is no Dovecot")
class DovecotCase(support.TestCase):
    def dovecot(self, **options):
        # Its own files stay below the test's folder, whose name must fit into a socket's.
        dovecot = Dovecot(self, **options)
        self.programs.append(dovecot)
        return dovecot

    def serve(self, socket, connected=True, shards=1, **auth):
        self.msa = self.server(shards=shards, auth={"backend": "dovecot", "dovecot_socket": socket,
                                     "mechanisms": ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"],
                                     "failure_delay": "50ms", "failure_jitter": "10ms", **auth},
                               users=())
        if connected:
            self.wait_connected(shards)

    def wait_connected(self, connected=1):
        support.wait_until(lambda: self.msa.stats()["dovecot_connected"] == connected, f"connected is {connected}")

    def login(self, user=USER, password=PASSWORD, code=235):
        """A session that has asked to log in."""
        client = self.msa.client(user=None)
        client.command("AUTH PLAIN " + support.sasl_plain(user, password), code)
        return client

    def requests(self):
        return self.msa.stats()["dovecot_requests_total"]

    def admin_details(self):
        return [event["detail"] for event in self.msa.events("Admin") if "authentication server" in event["detail"]]


class ClientsTest(DovecotCase):
    def setUp(self):
        super().setUp()
        self.serve(self.dovecot().socket)
        self.trust = self.msa.folder / "cert.pem"

    def assert_logins(self, *expected):
        events = self.msa.wait_events("Auth", len(expected))
        self.assertEqual([(event["mechanism"], event["response"]["code"]) for event in events], list(expected))

    def run_client(self, *command, ok):
        result = subprocess.run(list(map(str, command)), input=b"Subject: x\r\n\r\ntext\r\n", stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=PATIENCE)
        self.assertEqual(result.returncode == 0, ok, result.stdout.decode(errors="replace"))

    def test_it_offers_what_dovecot_offers(self):
        with self.msa.client(user=None) as client:
            lines = client.command("EHLO client.example", 250)
        self.assertIn("250-AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN", lines)

    def test_gsasl(self):
        for mechanism in MECHANISMS:
            for password in (PASSWORD, "wrong"):
                with self.subTest(mechanism=mechanism, password=password):
                    self.run_client("gsasl", "--smtp", f"--connect=127.0.0.1:{self.msa.starttls_port}", "--hostname",
                                    support.HOSTNAME, "--service", "smtp", "--mechanism", mechanism, "--authentication-id",
                                    USER, "--authorization-id", USER, "--password", password, "--no-client-first", "--no-cb",
                                    f"--x509-ca-file={self.trust}", ok=password == PASSWORD)
        self.assert_logins(*[(mechanism, code) for mechanism in MECHANISMS for code in (235, 535)])

    def test_swaks(self):
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            for password in (PASSWORD, "wrong"):
                self.run_client("swaks", "--server", "127.0.0.1", "--port", self.msa.starttls_port, "--tls", "--auth",
                                mechanism, "--auth-user", USER, "--auth-password", password, "--from", USER, "--to",
                                support.RECIPIENT, ok=password == PASSWORD)
        self.assert_logins(*[(mechanism, code) for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5") for code in (235, 535)])

    def test_curl(self):
        for password in (PASSWORD, "wrong"):
            self.run_client("curl", "--silent", "--show-error", "--noproxy", "*", "--ssl-reqd", "--cacert", self.trust,
                            "--resolve", f"{support.HOSTNAME}:{self.msa.starttls_port}:127.0.0.1", "--url",
                            f"smtp://{support.HOSTNAME}:{self.msa.starttls_port}", "--user", f"{USER}:{password}",
                            "--mail-from", USER, "--mail-rcpt", support.RECIPIENT, "--upload-file", "-",
                            ok=password == PASSWORD)

    def test_python(self):
        with smtplib.SMTP("127.0.0.1", self.msa.starttls_port, timeout=PATIENCE) as session:
            session.starttls(context=support.trusting_context())
            session.ehlo()
            session.user, session.password = USER, PASSWORD
            self.assertEqual(session.auth("CRAM-MD5", session.auth_cram_md5, initial_response_ok=False)[0], 235)

    def test_sluice_load(self):
        for mechanism in MECHANISMS:
            for password, code in ((PASSWORD, 0), ("wrong", 1)):
                load = self.run_load("login", "--to", f"127.0.0.1:{self.msa.starttls_port}", "--tls", "starttls",
                                     "--connections", 2, "--logins", 20, "--user", USER, "--password", password,
                                     "--mechanism", mechanism)
                self.assertEqual(load.wait(), code, load.output())
        self.assertGreaterEqual(self.requests()["ok"], 100)


class PolicyTest(DovecotCase):
    def test_extra_fields_say_what_a_login_may_do(self):
        self.serve(self.dovecot().socket)
        with self.login("bob@example.net", "secret") as client:
            for sender, code in (("bob@example.org", 250), ("B.O.B@example.org", 250), ("any@bob.example", 250),
                                 ("bob@example.net", 553), ("any@sub.bob.example", 553)):
                client.command(f"MAIL FROM:<{sender}>", code)
                client.command("RSET", 250)
        with self.login() as client:
            client.command("MAIL FROM:<any@bob.example>", 553)
            client.submit(b"Subject: x\r\n\r\ntext\r\n")
        self.login("off@example.net", "secret", 454).close()

    def test_a_record_of_the_store_counts(self):
        site = self.site(auth={"mechanisms": ["PLAIN"]}, users=(("bob@example.net", "another", ("--domain", "store.example")),))
        site.write_config(auth={"backend": "dovecot", "dovecot_socket": self.dovecot().socket})
        self.msa = site.start()
        self.wait_connected()
        self.login("bob@example.net", "another", 535).close()
        with self.login("bob@example.net", "secret") as client:
            client.command("MAIL FROM:<any@bob.example>", 553)
            client.command("MAIL FROM:<any@store.example>", 250)
            client.command("RSET", 250)
            subprocess.run([support.SLUICE, "user", "disable", "bob@example.net", "--config", site.config], check=True,
                           stdout=subprocess.DEVNULL)
            client.command("NOOP", 421)
        self.login("bob@example.net", "secret", 535).close()

    def test_a_login_without_a_record_can_be_suspended(self):
        def change(command):
            subprocess.run([support.SLUICE, "user", command, "bob@example.net", "--config", self.msa.site.config], check=True,
                           stdout=subprocess.DEVNULL)

        self.serve(self.dovecot().socket)
        with self.login("bob@example.net", "secret") as client:
            change("suspend")
            client.command("NOOP", 421)
        self.login("bob@example.net", "secret", 535).close()
        change("resume")
        self.login("bob@example.net", "secret").close()

    def test_who_guesses_is_refused_here_too(self):
        self.msa = self.server(auth={"backend": "dovecot", "dovecot_socket": self.dovecot().socket, "mechanisms": MECHANISMS,
                                     "failure_delay": "10ms", "failure_jitter": "0s"},
                               users=(), guess_limits={"login_from_address": 3, "slowest": "0s"})
        self.wait_connected()
        for _ in range(3):
            self.login(password="wrong", code=535).close()
        for password in ("wrong", PASSWORD):
            self.login(password=password, code=421).close()
        self.login("bob@example.net", "secret", 235).close()


class LinkTest(DovecotCase):
    def test_each_shard_has_a_connection(self):
        dovecot = self.dovecot()
        self.serve(dovecot.socket, shards=3)
        for _ in range(30):
            self.login().close()
        self.assertEqual(self.requests(), {"ok": 30, "rejected": 0, "temporary": 0, "cancelled": 0, "lost": 0, "refused": 0})
        self.assertNotIn("BUG", dovecot.errors())

    def test_over_tcp(self):
        dovecot = self.dovecot()
        self.serve(f"127.0.0.1:{dovecot.port}")
        self.login().close()
        self.login(password="wrong", code=535).close()

    def test_the_longest_line_costs_nobody_the_connection(self):
        self.serve(self.dovecot().socket)
        for octets in (*range(6000, 6120, 12), 8500):  # around what Dovecot takes
            with self.msa.client(user=None) as client:
                client.send(b"AUTH PLAIN " + support.sasl_plain("x" * octets, "y").encode() + b"\r\n")
                self.assertIn(client.reply()[0][:3], ("501", "535"))
        self.login().close()
        self.assertEqual(self.requests()["lost"], 0)
        self.assertEqual(len(self.admin_details()), 1)

    def test_before_dovecot_is_there(self):
        socket = self.folder / "dovecot.d" / "auth"
        self.serve(socket, connected=False)
        with self.login(code=454) as early:
            self.assertIn("250-AUTH SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN", early.command("EHLO x", 250))
            self.dovecot(mechanisms=("PLAIN", "ANONYMOUS"))
            self.wait_connected()
            with self.msa.client(user=None) as client:
                self.assertIn("250-AUTH PLAIN", client.command("EHLO x", 250))
                client.command("AUTH LOGIN", 504)
            early.command("AUTH LOGIN", 454)  # that was offered to it
            early.command("AUTH PLAIN " + support.sasl_plain(USER, PASSWORD), 235)

    def test_a_restart_under_load_loses_no_client(self):
        dovecot = self.dovecot()
        self.serve(dovecot.socket)
        idle = [self.msa.client(user=None) for _ in range(20)]
        logged_in = self.login()
        codes, failures, stop = [[]], [], threading.Event()  # of codes the last list is of attempts that began lately

        def log_in_for_ever():
            try:
                while not stop.is_set():
                    with self.msa.client(user=None) as client:
                        for _ in range(10):  # the same connection tries until it is let in
                            mine = codes[-1]
                            client.send(b"AUTH PLAIN " + support.sasl_plain(USER, PASSWORD).encode() + b"\r\n")
                            code = client.reply()[0][:3]
                            mine.append(code)
                            if code == "235":
                                break
                            stop.wait(0.02)
                        client.command("QUIT", 221)
            except BaseException as failure:  # whatever it was, a client was lost
                failures.append(failure)

        threads = [threading.Thread(target=log_in_for_ever) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(2):
                support.wait_until(lambda: codes[-1].count("235") > 20, "logins work")
                dovecot.stop()
                self.wait_connected(0)
                codes.append([])
                support.wait_until(lambda: codes[-1].count("454") > 20, "logins are put off")
                self.assertEqual(set(codes[-1]), {"454"})
                dovecot = self.dovecot()
                self.wait_connected()
                codes.append([])
                support.wait_until(lambda: codes[-1].count("235") > 20, "logins work again")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(set(codes[-1]), {"235"})
        for client in idle:
            client.command("AUTH PLAIN " + support.sasl_plain(USER, PASSWORD), 235)
            client.close()
        logged_in.submit(b"Subject: x\r\n\r\ntext\r\n")
        logged_in.close()
        support.wait_until(lambda: len(self.admin_details()) >= 5, "five lines in the log")
        told = ["connected" if "is connected" in line else "lost" for line in self.admin_details()]
        self.assertEqual(told, ["connected", "lost", "connected", "lost", "connected"])

    def test_check_tries_the_socket(self):
        dovecot = self.dovecot()
        self.serve(dovecot.socket)
        check = [support.SLUICE, "check", "--config", self.msa.config]
        self.assertNotIn("dovecot", subprocess.run(check, check=True, capture_output=True, text=True).stderr)
        dovecot.stop()
        said = subprocess.run(check, check=True, capture_output=True, text=True).stderr
        self.assertIn(f"warning: auth.dovecot_socket: {dovecot.socket} cannot be connected", said)


if __name__ == "__main__":
    support.main()
