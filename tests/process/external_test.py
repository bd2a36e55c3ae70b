"""EXTERNAL: logins by TLS client certificates, with clients that others wrote, over both versions of TLS."""
import base64
import shutil
import signal
import smtplib
import ssl
import subprocess

import support
from support import HOSTNAME, PATIENCE, RECIPIENT, SENDER, USER

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ExternalCase(support.TestCase):
    def setUp(self):
        super().setUp()
        self.certs = self.folder / "certs"
        subprocess.run([support.SOURCE / "tests/support/client_certificates.sh", self.certs], check=True)
        self.site_ = self.site("serve")
        self.ca, self.crl = self.site_.folder / "ca.pem", self.site_.folder / "crl.pem"
        self.put("both.pem", self.ca)
        self.put("crl.pem", self.crl)
        self.configure()
        self.msa = self.site_.start()
        self.trust = self.site_.folder / "cert.pem"

    def put(self, name, to):
        shutil.copyfile(self.certs / name, to)
        to.chmod(0o644)

    def configure(self, *more):
        asks = {"client_ca_file": self.ca, "client_crl_file": self.crl, "mechanisms": ["EXTERNAL", "SCRAM-SHA-256", "PLAIN"]}
        site = self.site_
        site.write_config(listeners=[(f"127.0.0.1:{site.starttls_port}", "starttls", asks),
                                     (f"127.0.0.1:{site.implicit_port}", "implicit", {"mechanisms": ["SCRAM-SHA-256", "PLAIN"]})],
                          auth={"mechanisms": ["SCRAM-SHA-256", "PLAIN"], "failure_delay": "50ms", "failure_jitter": "10ms"})
        with open(site.config, "a") as config:
            for lines in more:
                config.write("\n[[client_certificate]]\n" + lines + "\n")

    def fingerprint(self, name):
        said = subprocess.run(["openssl", "x509", "-in", self.certs / f"{name}.pem", "-noout", "-fingerprint", "-sha256"],
                              stdout=subprocess.PIPE, check=True, text=True)
        return said.stdout.strip().partition("=")[2]

    def context(self, chain=None, key=None, version=None):
        context = support.trusting_context()
        if version:
            context.minimum_version = context.maximum_version = VERSIONS[version]
        if chain:
            context.load_cert_chain(self.certs / f"{chain}.pem", self.certs / f"{key or chain}.key")
        return context

    def login(self, chain=None, key=None, authorization="", version="1.3", port=None):
        """By Python: (the reply's code, whether EXTERNAL was offered)."""
        with smtplib.SMTP("127.0.0.1", port or self.msa.starttls_port, timeout=PATIENCE) as session:
            session.starttls(context=self.context(chain, key, version))
            session.ehlo()
            offered = "EXTERNAL" in session.esmtp_features.get("auth", "").split()
            code, _ = session.docmd("AUTH", "EXTERNAL " + (base64.b64encode(authorization.encode()).decode() or "="))
            return code, offered

    def last_auth(self, count):
        return self.msa.wait_events("Auth", count)[count - 1]


class LoginTest(ExternalCase):
    def test_good_certificates(self):
        for version in VERSIONS:
            for chain, key in (("alice", None), ("rsa", None), ("under", None), ("under_chain", "under")):
                with self.subTest(version=version, chain=chain):
                    self.assertEqual(self.login(chain, key, version=version), (235, True))
        event = self.last_auth(1)
        self.assertEqual((event["mechanism"], event["login"]), ("EXTERNAL", USER))

    def test_bad_certificates_and_none(self):
        why = {"other_alice": "CA is not known", "expired": "expired", "future": "not valid yet", "revoked": "revoked",
               "none": "no login", "server": "Ext Key Use"}
        count = 0
        for version in VERSIONS:
            for chain, detail in why.items():
                with self.subTest(version=version, chain=chain):
                    self.assertEqual(self.login(chain, version=version), (535, False))
                    count += 1
                    self.assertIn(detail, self.last_auth(count)["detail"])
            self.assertEqual(self.login(version=version), (535, False))
            count += 1
            self.assertIn("no certificate", self.last_auth(count)["detail"])
        self.assertIn("revoked", " ".join(event.get("detail", "") for event in self.msa.events("Rejection")))

    def test_authorization_identities(self):
        self.assertEqual(self.login("alice", authorization="ALICE@example.net"), (235, True))
        self.assertEqual(self.login("alice", authorization="bob@example.net"), (535, True))
        self.assertEqual(self.login("two", authorization="bob@example.net"), (535, True))  # who is no user
        self.assertEqual(self.login("two"), (235, True))
        self.site_.add_user("bob@example.net", "his password")
        self.assertEqual(self.login("two", authorization="bob@example.net"), (235, True))
        self.assertEqual(self.last_auth(5)["login"], "bob@example.net")
        subprocess.run([support.SLUICE, "user", "disable", "bob@example.net", "--config", self.site_.config], check=True,
                       stdout=subprocess.DEVNULL)
        self.assertEqual(self.login("two", authorization="bob@example.net"), (535, True))

    def test_acting_for_another(self):
        carol = "carol@example.org"
        self.site_.add_user(carol, "her password")
        self.assertEqual(self.login("alice", authorization=carol), (535, True))
        subprocess.run([support.SLUICE, "user", "set", USER, "--acts-for", carol, "--config", self.site_.config], check=True,
                       stdout=subprocess.DEVNULL)
        self.assertEqual(self.login("alice", authorization=carol), (235, True))
        event = self.last_auth(2)
        self.assertEqual((event["login"], event["actor"]), (carol, USER))

    def test_without_a_certificate_passwords_count(self):
        for chain in (None, "revoked", "alice"):
            with smtplib.SMTP("127.0.0.1", self.msa.starttls_port, timeout=PATIENCE) as session:
                session.starttls(context=self.context(chain))
                session.login(USER, support.PASSWORD)

    def test_other_listeners_ask_for_none(self):
        with smtplib.SMTP_SSL("127.0.0.1", self.msa.implicit_port, timeout=PATIENCE, context=self.context("alice")) as session:
            session.ehlo()
            self.assertNotIn("EXTERNAL", session.esmtp_features["auth"])
            self.assertEqual(session.docmd("AUTH", "EXTERNAL =")[0], 504)

    def test_configured_certificates(self):
        self.site_.add_user("carol@example.net", "x")
        self.assertEqual(self.login("none"), (535, False))
        self.configure(f'fingerprint = "{self.fingerprint("none")}"\nlogin = "carol@example.net"',
                       'subject = "O=Example\\\\, Inc.,CN=Alice"\nlogin = "carol@example.net"')
        self.reload("certificates")
        self.assertEqual(self.login("none"), (235, True))
        self.assertEqual(self.login("alice"), (235, True))
        self.assertEqual(self.last_auth(3)["login"], "carol@example.net")
        self.assertEqual(self.login("alice", authorization=USER), (535, True))  # that login and no other

    def reload(self, words):
        def reloads():
            return [event["detail"] for event in self.msa.events("Admin") if event["detail"].startswith("reload")]
        before = len(reloads())
        self.msa.signal(signal.SIGHUP)
        support.wait_until(lambda: len(reloads()) > before, "it has reloaded")
        self.assertIn(words, reloads()[-1])

    def test_reload_takes_new_files_and_keeps_the_old_beside_bad_ones(self):
        self.assertEqual(self.login("other_alice"), (535, False))
        self.crl.write_text("nothing")
        self.reload("nothing has changed")
        self.assertEqual(self.login("revoked"), (535, False))
        self.assertEqual(self.login("alice"), (235, True))
        self.put("other.pem", self.ca)
        self.put("crl.pem", self.crl)
        self.reload("nothing has changed")  # CRLs of nobody's
        self.assertEqual(self.login("alice"), (235, True))
        self.put("both.pem", self.ca)
        self.put("stale.pem", self.crl)
        self.reload("are new")
        self.assertEqual(self.login("alice"), (535, False))

    def check(self):
        return subprocess.run([support.SLUICE, "check", "--config", self.site_.config], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)

    def test_check_says_what_is_wrong(self):
        self.assertEqual(self.check().returncode, 0)
        self.put("stale.pem", self.crl)
        said = self.check()
        self.assertEqual(said.returncode, 0)
        self.assertIn("past its next update", said.stdout)
        self.put("alice.pem", self.ca)
        said = self.check()
        self.assertNotEqual(said.returncode, 0)
        self.assertIn("is no CA's", said.stdout)


class ClientsTest(ExternalCase):
    def run_client(self, *command, ok=True, **options):
        result = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
                                **({"input": b"Subject: x\r\n\r\ntext\r\n"} | options))
        said = result.stdout.decode(errors="replace")
        self.assertEqual(result.returncode == 0, ok, said)
        return said

    def test_curl(self):
        for version in VERSIONS:
            for user, ok in (("alice", True), ("revoked", False)):
                self.run_client("curl", "--silent", "--show-error", "--noproxy", "*", "--ssl-reqd", "--cacert", self.trust,
                                "--resolve", f"{HOSTNAME}:{self.msa.starttls_port}:127.0.0.1", "--url",
                                f"smtp://{HOSTNAME}:{self.msa.starttls_port}", "--user", f"{USER}:", "--login-options",
                                "AUTH=EXTERNAL", "--cert", self.certs / f"{user}.pem", "--key", self.certs / f"{user}.key",
                                "--tls-max", version, f"--tlsv{version}", "--mail-from", SENDER, "--mail-rcpt", RECIPIENT,
                                "--upload-file", "-", ok=ok)
        self.assertEqual([event["response"]["code"] for event in self.msa.wait_events("Auth", 2)], [235, 235])
        self.assertEqual([event["login"] for event in self.msa.wait_events("Reception", 2)], [USER, USER])

    def test_gsasl(self):
        self.run_client("gsasl", "--smtp", f"--connect=127.0.0.1:{self.msa.starttls_port}", "--hostname", HOSTNAME, "--service",
                        "smtp", "--mechanism", "EXTERNAL", "--authorization-id", USER, f"--x509-ca-file={self.trust}",
                        f"--x509-cert-file={self.certs / 'alice.pem'}", f"--x509-key-file={self.certs / 'alice.key'}",
                        "--authentication-id", USER, "--password", "")
        self.assertEqual(self.last_auth(1)["mechanism"], "EXTERNAL")

    def test_gsasl_binds_the_channel_beside_a_certificate(self):
        self.run_client("gsasl", "--smtp", f"--connect=127.0.0.1:{self.msa.starttls_port}", "--hostname", HOSTNAME, "--service",
                        "smtp", "--mechanism", "SCRAM-SHA-256-PLUS", "--authorization-id", USER, f"--x509-ca-file={self.trust}",
                        f"--x509-cert-file={self.certs / 'alice.pem'}", f"--x509-key-file={self.certs / 'alice.key'}",
                        "--authentication-id", USER, "--password", support.PASSWORD, "--no-client-first")
        self.assertEqual(self.last_auth(1)["mechanism"], "SCRAM-SHA-256-PLUS")

    def test_openssl(self):
        for option in ("-tls1_2", "-tls1_3"):
            said = self.run_client("openssl", "s_client", "-connect", f"127.0.0.1:{self.msa.starttls_port}", "-starttls", "smtp",
                                   "-crlf", "-quiet", option, "-cert", self.certs / "under.pem", "-key", self.certs / "under.key",
                                   "-cert_chain", self.certs / "middle.pem", input=b"EHLO x\nAUTH EXTERNAL =\nQUIT\n")
            self.assertIn("235 2.7.0", said)

    def test_swaks_shows_a_certificate_and_logs_in_by_password(self):
        self.run_client("swaks", "--server", "127.0.0.1", "--port", self.msa.starttls_port, "--tls", "--tls-cert",
                        self.certs / "alice.pem", "--tls-key", self.certs / "alice.key", "--auth", "PLAIN", "--auth-user", USER,
                        "--auth-password", support.PASSWORD, "--from", SENDER, "--to", RECIPIENT)

    def test_sluice_load(self):
        for version in VERSIONS:
            for name, code in (("alice", 0), ("revoked", 1)):
                load = self.run_load("login", "--to", f"127.0.0.1:{self.msa.starttls_port}", "--tls", "starttls", "--connections", 2,
                                     "--logins", 6, "--user", USER, "--mechanism", "EXTERNAL", "--tls-version", version,
                                     "--client-cert", self.certs / f"{name}.pem", "--client-key", self.certs / f"{name}.key")
                self.assertEqual(load.wait(), code, load.output())
        self.assertEqual(self.msa.stats()["logins_total"]["EXTERNAL"]["success"], 12)


if __name__ == "__main__":
    support.main()
