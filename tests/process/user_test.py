"""`sluice user` beside a running server: each change counts at the next login, with no reload.

Run as root, the server runs as nobody and owns the state folder, so this also shows that what root's
commands write stays readable for the server.
"""
import json
import os
import pathlib
import pty
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
import unittest

SLUICE = os.environ["SLUICE"]
NOBODY = 65534

CONFIG = """
hostname = "submit.example.net"
state_dir = "state"
spool_dir = "spool"
shards = 1
{user}
[[listener]]
address = "127.0.0.1:{port}"
mode = "plain"
[auth]
mechanisms_clear = ["PLAIN", "LOGIN"]
failure_delay = "100ms"
failure_jitter = "10ms"
[relay]
next_hop = ["discard"]
"""


class UserTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-user-"))
        self.folder.chmod(0o755)
        root = os.geteuid() == 0
        for name in ("state", "spool"):
            (self.folder / name).mkdir(mode=0o700)
            if root:
                os.chown(self.folder / name, NOBODY, NOBODY)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.config = self.folder / "sluice.toml"
        self.config.write_text(CONFIG.format(port=self.port, user='user = "nobody"' if root else ""))
        self.server = subprocess.Popen([SLUICE, "serve", "--config", self.config], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
        self.assertEqual(self.server.stdout.readline(), b"ready\n")

    def tearDown(self):
        self.server.terminate()
        self.server.stdout.read()
        self.assertEqual(self.server.wait(20), 0)
        self.server.stdout.close()
        shutil.rmtree(self.folder)

    def user(self, *arguments, password=""):
        command = [SLUICE, "user", *arguments, "--config", self.config]
        subprocess.run(command, input=password.encode(), check=True, stdout=subprocess.DEVNULL)

    def login(self, name, password, mechanism="PLAIN"):
        """The reply code of one AUTH on a new connection, and those of MAIL from each of two senders."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as session:
            session.ehlo()
            session.user, session.password = name, password
            method = {"PLAIN": session.auth_plain, "LOGIN": session.auth_login}[mechanism]
            try:
                code = session.auth(mechanism, method)[0]
            except smtplib.SMTPAuthenticationError as error:
                return error.smtp_code, []
            senders = []
            for sender in ("alice@example.net", "sales@example.org"):
                senders.append(session.mail(sender)[0])
                session.rset()
            return code, senders

    def test_a_change_counts_at_the_next_command_of_a_session(self):
        self.user("add", "alice@example.net", "--password-stdin", password="one")
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as session, \
             smtplib.SMTP("127.0.0.1", self.port, timeout=20) as removed:
            for each in (session, removed):
                each.login("alice@example.net", "one")
            self.assertEqual(session.mail("sales@example.org")[0], 553)
            self.user("set", "alice@example.net", "--domain", "example.org")
            self.assertEqual(session.mail("sales@example.org")[0], 250)
            self.user("disable", "alice@example.net")
            self.assertEqual(session.noop(), (421, b"4.7.0 Login no longer valid"))
            self.assertEqual(session.sock.recv(1) if session.sock else b"", b"")
            self.assertEqual(self.login("alice@example.net", "one")[0], 535)
            self.user("enable", "alice@example.net")
            self.assertEqual(removed.noop()[0], 250)  # said nothing meanwhile
            self.user("remove", "alice@example.net")
            self.assertEqual(removed.mail("alice@example.net")[0], 421)

    def test_each_change_counts_at_the_next_login(self):
        self.assertEqual(self.login("alice@example.net", "one")[0], 535)
        self.user("add", "Alice@Example.net", "--password-stdin", password="one\n")
        for mechanism in ("PLAIN", "LOGIN", "PLAIN"):  # proved once, then remembered
            self.assertEqual(self.login("ALICE@example.net", "one", mechanism), (235, [250, 553]))
        self.assertEqual(self.login("alice@example.net", "two")[0], 535)

        self.user("passwd", "alice@example.net", "--password-stdin", password="two")
        self.assertEqual(self.login("alice@example.net", "one")[0], 535)
        self.assertEqual(self.login("alice@example.net", "two")[0], 235)

        self.user("remove", "alice@example.net")
        self.assertEqual(self.login("alice@example.net", "two")[0], 535)
        self.user("add", "alice@example.net", "--domain", "example.org", "--password-stdin", password="two")
        self.assertEqual(self.login("alice@example.net", "two"), (235, [553, 250]))

    def keys_of(self, name):
        shown = subprocess.run([SLUICE, "user", "show", "--json", name, "--config", self.config], check=True, capture_output=True)
        return [key["hash"] for key in json.loads(shown.stdout)["keys"]]

    # What doveadm pw made of "secret" proves PLAIN and LOGIN, and makes room for keys of ours when it has.
    def test_hashes_of_dovecots_users_prove_them_once(self):
        hashes = {"cram-md5": "{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56",
                  "ssha512": "{SSHA512}N8JJTZxCvlKqe4zz1u9/tqxjv8vLMiq1p70ml+hAU5KjJ/WKCo1sBO93aw1Qzwl+8bb1GbyPGygvbHpHZYnijy4XSLE=",
                  "argon2id": "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$+8c1/WqAVdxF1GaT1v/S+g$"
                              "YOHoP13FzRhKsZhL5VvdUatq6v5aBJhgP6ICoRQlesA"}
        for scheme in ("SSHA256", "SHA512-CRYPT", "BLF-CRYPT", "ARGON2ID", "CRAM-MD5"):
            if shutil.which("doveadm"):
                made = subprocess.run(["doveadm", "-O", "pw", "-s", scheme, "-p", "secret"], capture_output=True, text=True,
                                      timeout=20, check=True)
                hashes["of-" + scheme.lower()] = made.stdout.strip()
        file = self.folder / "passwd"
        file.write_text("".join("%s@example.net:%s:1000:1000::/:/\n" % line for line in hashes.items()))
        self.user("import", "--format", "dovecot", file)
        exported = self.folder / "exported.csv"
        self.user("export", exported)
        self.user("remove", "--match", "*@example.net")
        self.user("import", exported)  # they come back as they were
        for name, text in hashes.items():
            login, scheme = name + "@example.net", text[1:text.index("}")]
            with self.subTest(name):
                self.assertEqual(self.keys_of(login), [scheme])
                self.assertEqual(self.login(login, "Secret")[0], 535)
                self.assertEqual(self.login(login, "secret", "LOGIN")[0], 235)
                ends = time.monotonic() + 20
                while self.keys_of(login) == [scheme] and time.monotonic() < ends:
                    time.sleep(0.05)
                self.assertEqual(self.keys_of(login), ["SCRAM-SHA-256"])
                self.assertEqual(self.login(login, "secret")[0], 235)
                self.assertEqual(self.login(login, "Secret")[0], 535)
        # A new password ends the old hash.
        self.user("remove", "ssha512@example.net")
        self.user("import", "--format", "dovecot", "--existing", "skip", file)
        self.user("passwd", "ssha512@example.net", "--password-stdin", password="new")
        self.assertEqual(self.login("ssha512@example.net", "secret")[0], 535)
        self.assertEqual(self.login("ssha512@example.net", "new")[0], 235)

    def test_an_import_shows_at_a_terminal_how_far_it_is(self):
        file = self.folder / "users.csv"
        key = "A" * 43 + "="
        file.write_text("login,keys\n" + "".join(f'u{number}@example.net,"{{SCRAM-SHA-256}}4096,c2FsdA==,{key},{key}"\n'
                                                 for number in range(25_000)))
        def run(at_terminal, elsewhere, *options):
            """What the import says on the stream that is a terminal, and on the one that is none."""
            terminal, end = pty.openpty()
            try:
                command = [SLUICE, "user", "import", file, "--config", self.config, *options]
                done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=60, check=True,
                                      **{at_terminal: end, elsewhere: subprocess.PIPE})
                os.write(end, b"END")
                shown = b""
                while not shown.endswith(b"END"):
                    shown += os.read(terminal, 4096)
            finally:
                os.close(terminal)
                os.close(end)
            return shown.removesuffix(b"END").decode(), getattr(done, elsewhere).decode()
        imported = "imported 25000 users"
        steps = ((16, 10_000), (32, 20_000), (40, 25_000))
        bar = "".join(f"\r[{'#' * marks:40}] {count} of 25000" for marks, count in steps)
        self.assertEqual(run("stderr", "stdout"), (bar + "\r\n", imported + "\n"))
        self.assertEqual(run("stdout", "stderr", "--existing", "replace"), (imported + "\r\n", ""))


if __name__ == "__main__":
    unittest.main()
