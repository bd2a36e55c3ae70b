"""Every SASL mechanism by clients that others wrote, GNU SASL's first, and by sluice-load."""
import base64
import hashlib
import hmac
import itertools
import json
import os
import smtplib
import subprocess

import support
from support import PASSWORD, PATIENCE, USER

SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")
GSASL_SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256")  # has no SHA-512


class SaslCase(support.TestCase):
    def setUp(self):
        super().setUp()
        self.msa = self.make_server()
        self.trust = self.msa.folder / "cert.pem"

    def make_server(self, name="serve", **auth):
        return self.server(name, auth={"mechanisms": [*SCRAM, "CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN"], "mechanisms_clear": ["CRAM-MD5", "SCRAM-SHA-256"],
                                 "failure_delay": "50ms", "failure_jitter": "10ms", **auth})

    def assert_log_ins(self, *expected):
        events = self.msa.wait_events("Auth", len(expected))
        self.assertEqual([(event["mechanism"], event["response"]["code"]) for event in events], list(expected))

    def gsasl(self, mechanism, password=PASSWORD, user=USER, authorization=None, tls=True, ok=True):
        # It takes STARTTLS by itself when it is offered. Where it could bind the channel it refuses SCRAM without -PLUS.
        options = [f"--x509-ca-file={self.trust}"] if tls else ["--no-starttls"]
        if not mechanism.endswith("-PLUS"):
            options.append("--no-cb")
        if mechanism == "DIGEST-MD5":
            options += ["--realm", support.HOSTNAME, "--quality-of-protection=qop-auth"]
        result = subprocess.run(
            ["gsasl", "--smtp", f"--connect=127.0.0.1:{self.msa.starttls_port}", "--hostname", support.HOSTNAME, "--service", "smtp",
             "--mechanism", mechanism, "--authentication-id", user, "--authorization-id",
             user if authorization is None else authorization, "--password", password, "--no-client-first", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        said = result.stdout.decode(errors="replace")
        self.assertEqual(result.returncode == 0, ok, said)
        return said


class GsaslTest(SaslCase):
    def test_in_the_clear_where_it_is_offered(self):
        for mechanism in ("SCRAM-SHA-256", "CRAM-MD5"):
            self.gsasl(mechanism, tls=False)
        self.assert_log_ins(("SCRAM-SHA-256", 235), ("CRAM-MD5", 235))

    def test_acting_for_another_is_refused(self):
        self.gsasl("SCRAM-SHA-256", authorization="")
        self.gsasl("SCRAM-SHA-256", authorization="bob@example.net", ok=False)
        self.gsasl("PLAIN", authorization="bob@example.net", ok=False)
        self.gsasl("DIGEST-MD5", authorization="bob@example.net", ok=False)
        self.assert_log_ins(("SCRAM-SHA-256", 235), ("SCRAM-SHA-256", 535), ("PLAIN", 535), ("DIGEST-MD5", 535))

    def test_without_channel_binding_plus_is_not_offered(self):
        self.msa.stop()
        self.msa = self.make_server(name="unbound", channel_binding=False)
        self.trust = self.msa.folder / "cert.pem"
        said = self.gsasl("SCRAM-SHA-256")
        self.assertIn("AUTH SCRAM-SHA-1 SCRAM-SHA-256", said)
        self.assertNotIn("-PLUS", said)

    def test_each_mechanism(self):
        mechanisms = [name + plus for name in GSASL_SCRAM for plus in ("", "-PLUS")] + ["CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN"]
        for mechanism in mechanisms:
            with self.subTest(mechanism):
                self.gsasl(mechanism)
        self.assert_log_ins(*[(mechanism, 235) for mechanism in mechanisms])

    def test_wrong_passwords_and_unknown_users(self):
        mechanisms = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1", "CRAM-MD5", "DIGEST-MD5")
        for mechanism in mechanisms:
            self.gsasl(mechanism, password="wrong", ok=False)
            self.gsasl(mechanism, user="nobody@example.net", ok=False)
        self.assert_log_ins(*[(mechanism, 535) for mechanism in mechanisms for _ in range(2)])


class SomebodyBetweenTest(SaslCase):
    """SCRAM with a right proof over what somebody in the middle would have made of it."""

    TABLES = {"auth": {"mechanisms": ["SCRAM-SHA-256", "PLAIN"], "failure_delay": "10ms", "failure_jitter": "0s"},
              "guess_limits": {"slowest": "0s", "login_from_address": 2}}

    def make_server(self):
        return self.server(**self.TABLES)

    def scram(self, mechanism, header, bound=b"", password=PASSWORD, mode="starttls"):
        """The code of the last reply."""
        def exchange(client, text):
            reply = client.command(text, "")[-1]
            return reply[:3], base64.b64decode(reply[4:]).decode() if reply.startswith("334") else ""
        def sign(key, text):
            return hmac.new(key, text.encode(), "sha256").digest()
        with self.msa.client(mode, user=None) as client:
            bare = f"n={USER},r=abc"
            code, first = exchange(client, f"AUTH {mechanism} " + base64.b64encode((header + bare).encode()).decode())
            if code != "334":
                return int(code)
            nonce, salt, count = (part[2:] for part in first.split(",", 2))
            last = f"c={base64.b64encode(header.encode() + bound).decode()},r={nonce}"
            salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(count))
            key = sign(salted, "Client Key")
            proof = bytes(a ^ b for a, b in zip(key, sign(hashlib.sha256(key).digest(), f"{bare},{first},{last}")))
            last += ",p=" + base64.b64encode(proof).decode()
            code, _ = exchange(client, base64.b64encode(last.encode()).decode())
            return int(exchange(client, "")[0] if code == "334" else code)

    def test_the_log_says_so_and_it_is_no_guess(self):
        self.assertEqual(self.scram("SCRAM-SHA-256", "n,,"), 235)
        for _ in range(2):
            self.assertEqual(self.scram("SCRAM-SHA-256", "y,,"), 535)
            self.assertEqual(self.scram("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", bytes(32)), 535)
        self.assertEqual(self.scram("SCRAM-SHA-256", "n,,"), 235)
        self.assertEqual(self.scram("SCRAM-SHA-256", "y,,", password="wrong"), 535)
        details = [event.get("detail", "").partition(", but ")[2] for event in self.msa.wait_events("Auth", 7)]
        downgrade = "the client saw no -PLUS mechanism though one was offered: somebody may stand between"
        channel = "is bound to another TLS channel: somebody may stand between"
        self.assertEqual(details, ["", downgrade, channel, downgrade, channel, "", ""])

    def test_a_listener_without_channel_binding(self):
        """It offers no -PLUS and takes none, so who saw none is right there, and at the other one betrayed."""
        site = self.msa.site
        self.msa.stop()
        site.write_config(listeners=[(f"127.0.0.1:{site.starttls_port}", "starttls", {"channel_binding": False}),
                                     (f"127.0.0.1:{site.implicit_port}", "implicit")], **self.TABLES)
        self.msa = site.start()
        with self.msa.client(user=None) as unbound, self.msa.client("implicit", user=None) as bound:
            self.assertEqual([client.socket.version() for client in (unbound, bound)], ["TLSv1.3", "TLSv1.3"])
            certificate = hashlib.sha256(bound.socket.getpeercert(binary_form=True)).digest()
            self.assertIn("250-AUTH SCRAM-SHA-256 PLAIN", unbound.command("EHLO client.example", 250))
            self.assertIn("250-AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN", bound.command("EHLO client.example", 250))
        for mode, plus, downgrade in (("starttls", 504, 235), ("implicit", 235, 535)):
            with self.subTest(mode):
                self.assertEqual(self.scram("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", certificate, mode=mode), plus)
                self.assertEqual(self.scram("SCRAM-SHA-256", "y,,", mode=mode), downgrade)
                self.assertEqual(self.scram("SCRAM-SHA-256", "n,,", mode=mode), 235)
        [refused] = [event for event in self.msa.wait_events("Auth", 5) if event["response"]["code"] == 535]
        self.assertIn("the client saw no -PLUS mechanism though one was offered", refused["detail"])

    def test_from_a_foreign_network_it_looks_like_a_guess(self):
        """Or it could be told by its not being counted."""
        subprocess.run([support.SLUICE, "user", "set", USER, "--network", "192.0.2.0/24", "--config", self.msa.config], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.assertEqual([self.scram("SCRAM-SHA-256", flag) for flag in ("y,,", "n,,", "n,,")], [535, 535, 421])


class OtherClientsTest(SaslCase):
    """What they have beside PLAIN and LOGIN, which clients_test.py tries."""

    def run_client(self, *command, ok=True):
        result = subprocess.run(list(map(str, command)), input=b"Subject: x\r\n\r\ntext\r\n", stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=PATIENCE)
        self.assertEqual(result.returncode == 0, ok, result.stdout.decode(errors="replace"))

    def test_msmtp(self):
        for mechanism in (*GSASL_SCRAM, "CRAM-MD5"):
            for password in (PASSWORD, "wrong"):
                config = self.folder / "msmtprc"
                config.write_text(f"""
                    account sluice
                    host 127.0.0.1
                    port {self.msa.starttls_port}
                    from {support.SENDER}
                    auth {mechanism.lower()}
                    user {USER}
                    password "{password}"
                    tls on
                    tls_trust_file {self.trust}
                    """)
                config.chmod(0o600)
                self.run_client("msmtp", "-C", config, "-a", "sluice", support.RECIPIENT, ok=password == PASSWORD)
        self.assert_log_ins(*[(mechanism, code) for mechanism in (*GSASL_SCRAM, "CRAM-MD5") for code in (235, 535)])

    def test_curl_and_swaks_by_cram_and_digest_md5(self):
        for mechanism, password in itertools.product(("CRAM-MD5", "DIGEST-MD5"), (PASSWORD, "wrong")):
            self.run_client("curl", "--silent", "--show-error", "--noproxy", "*", "--ssl-reqd", "--cacert", self.trust, "--resolve",
                            f"{support.HOSTNAME}:{self.msa.starttls_port}:127.0.0.1", "--url",
                            f"smtp://{support.HOSTNAME}:{self.msa.starttls_port}", "--user", f"{USER}:{password}",
                            "--login-options", f"AUTH={mechanism}", "--mail-from", support.SENDER, "--mail-rcpt", support.RECIPIENT,
                            "--upload-file", "-", ok=password == PASSWORD)
            self.run_client("swaks", "--server", "127.0.0.1", "--port", self.msa.starttls_port, "--tls", "--auth", mechanism,
                            "--auth-user", USER, "--auth-password", password, "--auth-extra",
                            f"dmd5-serv-type=smtp,dmd5-host={support.HOSTNAME}", "--from", support.SENDER, "--to", support.RECIPIENT,
                            ok=password == PASSWORD)
        self.assert_log_ins(*[(mechanism, code) for mechanism in ("CRAM-MD5", "DIGEST-MD5") for code in (235, 235, 535, 535)])

    def test_mutt(self):
        # By GNU SASL's library, which it gives no channel binding. Not by DIGEST-MD5: its digest-uri would name 127.0.0.1.
        mechanisms = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")
        for mechanism, password in [*((mechanism, PASSWORD) for mechanism in mechanisms), ("SCRAM-SHA-256", "wrong")]:
            (self.folder / "muttrc").write_text(f"""
set smtp_url = "smtp://{USER.replace('@', '%40')}@127.0.0.1:{self.msa.starttls_port}/"
set smtp_pass = "{password}"
set smtp_authenticators = "{mechanism.lower()}"
set from = "{USER}" use_from = yes envelope_from_address = "{USER}" use_envelope_from = yes
set ssl_starttls = yes ssl_force_tls = yes ssl_ca_certificates_file = "{self.trust}" ssl_verify_host = no
set copy = no folder = "{self.folder}" tmpdir = "{self.folder}"
""")
            with self.subTest(mechanism):
                result = subprocess.run(["mutt", "-n", "-F", self.folder / "muttrc", "-s", "x", "--", support.RECIPIENT], input=b"hello\n",
                                        capture_output=True, timeout=PATIENCE, env={**os.environ, "HOME": str(self.folder)})
                self.assertEqual(result.returncode == 0, password == PASSWORD, result.stdout + result.stderr)
        self.assert_log_ins(*((mechanism, 235) for mechanism in mechanisms), ("SCRAM-SHA-256", 535))

    def test_nodemailer(self):
        # It knows these and OAuth's; Debian's Node.js looks for Debian's packages by itself, another one does not.
        script = """
const [port, method, user, pass, trust, servername, from, to] = process.argv.slice(1);
require('nodemailer').createTransport({
  host: '127.0.0.1', port: +port, requireTLS: true, authMethod: method, auth: {user, pass},
  tls: {ca: require('fs').readFileSync(trust), servername},
}).sendMail({from, to, subject: 'x', text: 'hello'}).catch(error => { console.error(error); process.exit(1); });
"""
        mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")
        for mechanism, password in [*((mechanism, PASSWORD) for mechanism in mechanisms), ("CRAM-MD5", "wrong")]:
            with self.subTest(mechanism):
                result = subprocess.run(["node", "-e", script, str(self.msa.starttls_port), mechanism, USER, password, self.trust,
                                         support.HOSTNAME, USER, support.RECIPIENT], capture_output=True, timeout=PATIENCE,
                                        stdin=subprocess.DEVNULL, env={**os.environ, "NODE_PATH": "/usr/share/nodejs"})
                self.assertEqual(result.returncode == 0, password == PASSWORD, result.stderr)
        self.assert_log_ins(*((mechanism, 235) for mechanism in mechanisms), ("CRAM-MD5", 535))

    def test_python_by_cram_md5(self):
        with smtplib.SMTP("127.0.0.1", self.msa.starttls_port, timeout=PATIENCE) as session:
            session.ehlo()
            session.user, session.password = USER, PASSWORD
            self.assertEqual(session.auth("CRAM-MD5", session.auth_cram_md5, initial_response_ok=False)[0], 235)


class MissingKeysTest(SaslCase):
    def test_they_are_added_when_the_password_is_next_proved(self):
        self.msa.stop()
        site = self.msa.site
        mechanisms = {"failure_delay": "50ms", "failure_jitter": "10ms", "mechanisms_clear": ["CRAM-MD5"]}
        site.write_config(auth={"mechanisms": ["PLAIN"], "failure_delay": "50ms", "failure_jitter": "10ms"})
        site.add_user("late@example.net", "its password")
        site.write_config(auth={"mechanisms": ["SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "PLAIN"], **mechanisms})
        self.msa = site.start()
        self.gsasl("SCRAM-SHA-256", user="late@example.net", password="its password")
        self.gsasl("SCRAM-SHA-1", user="late@example.net", password="its password", ok=False)
        self.gsasl("PLAIN", user="late@example.net", password="wrong", ok=False)
        self.assertEqual(self.keys(site), ["SCRAM-SHA-256"])
        self.gsasl("PLAIN", user="late@example.net", password="its password")
        support.wait_until(lambda: len(self.keys(site)) == 4, "the keys have been added")
        self.gsasl("SCRAM-SHA-1", user="late@example.net", password="its password")
        self.gsasl("CRAM-MD5", user="late@example.net", password="its password", tls=False)
        self.gsasl("DIGEST-MD5", user="late@example.net", password="its password")
        self.gsasl("CRAM-MD5", user="late@example.net", password="wrong", tls=False, ok=False)

    def keys(self, site):
        shown = subprocess.run([support.SLUICE, "user", "show", "late@example.net", "--json", "--config", site.config],
                               stdout=subprocess.PIPE, check=True)
        return [key["hash"] for key in json.loads(shown.stdout)["keys"]]


class LoadTest(SaslCase):
    """sluice-load as a client, by each mechanism over both versions of TLS."""

    def test_each_mechanism(self):
        mechanisms = [name + plus for name in SCRAM for plus in ("", "-PLUS")] + ["CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN"]
        for mechanism in mechanisms:
            for version in ("1.3", "1.2"):
                with self.subTest(mechanism=mechanism, version=version):
                    load = self.login(mechanism, PASSWORD, "--tls-version", version)
                    # A client cannot tell whether its TLS 1.2 is one that can be bound to.
                    ok = version == "1.3" or not mechanism.endswith("-PLUS")
                    self.assertEqual(load.wait(), 0 if ok else 1, load.output())
        logins = self.msa.stats()["logins_total"]
        self.assertEqual({name: logins[name]["success"] for name in mechanisms},
                         {name: 3 if name.endswith("-PLUS") else 6 for name in mechanisms})

    def test_a_wrong_password_is_a_failure(self):
        for mechanism in ("SCRAM-SHA-512-PLUS", "SCRAM-SHA-256", "CRAM-MD5", "DIGEST-MD5"):
            load = self.login(mechanism, "wrong")
            self.assertEqual(load.wait(), 1)
            self.assertIn("535", load.output())

    def login(self, mechanism, password, *options):
        return self.run_load("login", "--to", f"127.0.0.1:{self.msa.starttls_port}", "--tls", "starttls", "--connections", 1,
                             "--logins", 3, "--user", USER, "--password", password, "--mechanism", mechanism, *options)


if __name__ == "__main__":
    support.main()
