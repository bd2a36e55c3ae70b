"""OAUTHBEARER and XOAUTH2 with tokens that python3-jwt has made, by curl, Python's smtplib and sluice-load."""
import base64
import json
import signal
import smtplib
import subprocess
import time

import support
from support import PATIENCE, USER

ISSUER, AUDIENCE = "https://id.example.net/", "submit.example.net"
ALGORITHMS = {"r": "RS256", "e": "ES256", "d": "EdDSA"}
FORMS = ("OAUTHBEARER", "XOAUTH2")
REFUSED = {"OAUTHBEARER": {"status": "invalid_token", "scope": "mail", "openid-configuration": ISSUER + "openid"},
           "XOAUTH2": {"status": "400", "schemes": "Bearer", "scope": "mail"}}


def claims(**others):
    now = int(time.time())
    return {"iss": ISSUER, "aud": [AUDIENCE, "other"], "exp": now + 600, "nbf": now, "iat": now, "sub": "42", "email": USER,
            **others}


def make(tokens, keys=ALGORITHMS, **options):
    """(the text of the set of keys, the tokens)"""
    made = subprocess.run([str(support.SOURCE / "tests/process/make_tokens.py")], check=True, stdout=subprocess.PIPE, timeout=PATIENCE,
                          input=json.dumps({"keys": keys, "tokens": tokens, **options}).encode())
    answer = json.loads(made.stdout)
    return json.dumps(answer["jwks"]), answer["tokens"]


class BearerCase(support.TestCase):
    def serve(self, jwks, name="serve", mechanisms=(*FORMS, "PLAIN"), users=((USER, support.PASSWORD, ()),), **oauth):
        site = self.site(name, users=users, auth={"mechanisms": list(mechanisms), "failure_delay": "50ms", "failure_jitter": "10ms"},
                         oauth={"jwks_file": "jwks.json", "issuer": ISSUER, "audience": AUDIENCE, "scope": "mail",
                                "openid_configuration": ISSUER + "openid", **oauth})
        (site.folder / "jwks.json").write_text(jwks)
        self.msa = site.start()

    def assert_log_ins(self, *expected):
        events = self.msa.wait_events("Auth", len(expected))
        self.assertEqual([(event["mechanism"], event.get("response", {}).get("code")) for event in events], list(expected))
        return events

    def python(self, form, token, user=USER, initial=True):
        """The code that AUTH ends with, and the JSON of a refusal."""
        refusals = []

        def answer(challenge=None):
            if challenge:
                refusals.append(json.loads(challenge))
                return "\x01" if form == "OAUTHBEARER" else ""
            head = f"n,a={user},\x01host=h\x01port=587\x01" if form == "OAUTHBEARER" else f"user={user}\x01"
            return f"{head}auth=Bearer {token}\x01\x01"

        with smtplib.SMTP_SSL("127.0.0.1", self.msa.implicit_port, timeout=PATIENCE, context=support.trusting_context()) as session:
            session.ehlo()
            self.assertIn(form, session.esmtp_features["auth"])
            try:
                return session.auth(form, answer, initial_response_ok=initial)[0], refusals
            except smtplib.SMTPAuthenticationError as error:
                return error.smtp_code, refusals


class ClientsTest(BearerCase):
    def curl(self, form, token, user=USER, ok=True):
        result = subprocess.run(
            ["curl", "--silent", "--show-error", "--noproxy", "*", "--ssl-reqd", "--cacert", str(self.msa.folder / "cert.pem"),
             "--resolve", f"{support.HOSTNAME}:{self.msa.starttls_port}:127.0.0.1", "--url",
             f"smtp://{support.HOSTNAME}:{self.msa.starttls_port}", "--user", user, "--oauth2-bearer", token, "--login-options",
             f"AUTH={form}", "--mail-from", support.SENDER, "--mail-rcpt", support.RECIPIENT, "--upload-file", "-"],
            input=b"Subject: x\r\n\r\ntext\r\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        self.assertEqual(result.returncode == 0, ok, result.stdout.decode(errors="replace"))

    def test_curl(self):
        jwks, (*right, expired) = make([{"key": key, "claims": claims()} for key in ALGORITHMS] +
                                       [{"key": "e", "claims": claims(exp=int(time.time()) - 600)}])
        for form in FORMS:  # where both are offered it takes the first, whatever AUTH= says
            self.serve(jwks, name=form, mechanisms=[form, "PLAIN"])
            for token in right:
                self.curl(form, token)
            self.curl(form, expired, ok=False)
            self.curl(form, right[0], user="bob@example.net", ok=False)
            # By XOAUTH2 it cancels when the refusal is told, and is answered no 535.
            refused = 535 if form == "OAUTHBEARER" else None
            events = self.assert_log_ins(*[(form, code) for code in (235, 235, 235, refused, refused)])
            self.assertEqual([event.get("detail") for event in events[3:]],
                             ["the token has expired", "proved, but it may not act for whom it asked to"])
            self.assertEqual(events[3]["login"], USER)

    def test_python(self):
        jwks, (right, without_kid, nobodys, *wrong) = make([
            {"key": "r", "claims": claims()}, {"key": "d", "claims": claims(), "kid": False},
            {"key": "e", "claims": claims(email="nobody@example.net")}, {"key": "r", "claims": claims(iss="https://evil.example/")}, {"key": "e", "claims": claims(aud="other")},
            {"key": "d", "claims": claims(nbf=int(time.time()) + 600)},
            {"key": "e", "claims": claims(email=7)}, {"key": "e", "claims": claims(email_verified=False)}])
        _, (strange,) = make([{"key": "r", "claims": claims()}])  # of other keys with the same names
        self.serve(jwks)
        for form in FORMS:
            for initial in (True, False):
                self.assertEqual(self.python(form, right, initial=initial), (235, []))
            self.assertEqual(self.python(form, without_kid, user="" if form == "XOAUTH2" else USER.upper()), (235, []))
            for token in (*wrong, strange, right[:-8], right + "A", "x", ""):
                self.assertEqual(self.python(form, token), (535, [REFUSED[form]]))
            self.assertEqual(self.python(form, nobodys, user=""), (535, [REFUSED[form]]))
        # What is refused looks alike to the client; the log says why.
        self.assertEqual({event["detail"] for event in self.msa.wait_events("Auth", 28) if event["response"]["code"] == 535}, {
            "the token's issuer is not oauth.issuer", "the token is not for oauth.audience", "the token is not valid yet",
            "the token is good, but its user is unknown or disabled", "the token has no claim oauth.login_claim that can be a login",
            "the issuer has not verified the token's address (email_verified)", "the token's signature is wrong",
            "the token is no JSON Web Token in compact form"})
        for text in (*self.msa.event_lines(), self.msa.errors().encode(), self.msa.output().encode()):
            self.assertNotIn(right[-40:].encode(), text)

    def test_a_disabled_user_and_a_forged_algorithm(self):
        jwks, (right,) = make([{"key": "r", "claims": claims()}])
        self.serve(jwks)
        for algorithm in ("none", "HS256"):
            header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "r"}).encode()).decode().rstrip("=")
            for signature in ("", right.split(".")[2]):
                self.assertEqual(self.python("OAUTHBEARER", f"{header}.{right.split('.')[1]}.{signature}")[0], 535)
        subprocess.run([support.SLUICE, "user", "disable", USER, "--config", self.msa.config], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(self.python("OAUTHBEARER", right), (535, [REFUSED["OAUTHBEARER"]]))

    def test_sluice_load(self):
        jwks, (right, expired) = make([{"key": "e", "claims": claims()}, {"key": "e", "claims": claims(exp=1)}])
        self.serve(jwks)
        users = self.folder / "users"
        users.write_text(f"{USER}:{right}\n")
        for form in FORMS:
            options = ["--to", f"127.0.0.1:{self.msa.starttls_port}", "--tls", "starttls", "--connections", 1, "--mechanism", form]
            load = self.run_load("run", *options, "--messages", 5, "--user-file", users)
            self.assertEqual(load.wait(), 0, load.output())
            load = self.run_load("login", *options, "--logins", 3, "--user", USER, "--password", expired)
            self.assertEqual(load.wait(), 1)
            self.assertIn("535", load.output())
        self.assertEqual({form: self.msa.stats()["logins_total"][form]["success"] for form in FORMS}, {form: 1 for form in FORMS})

    def test_who_may_not_in_is_told_as_of_a_bad_token(self):
        jwks, (right,) = make([{"key": "r", "claims": claims()}])
        self.serve(jwks)
        for form in FORMS:
            self.assertEqual(self.python(form, right, user="bob@example.net"), (535, [REFUSED[form]]))
        subprocess.run([support.SLUICE, "user", "set", USER, "--mechanism", "PLAIN", "--config", self.msa.config], check=True,
                       stdout=subprocess.DEVNULL)
        for form in FORMS:
            self.assertEqual(self.python(form, right), (534, [REFUSED[form]]))

    def test_a_token_is_not_for_the_clear(self):
        jwks, (right,) = make([{"key": "d", "claims": claims()}])
        self.serve(jwks)
        with smtplib.SMTP("127.0.0.1", self.msa.starttls_port, timeout=PATIENCE) as session:
            session.ehlo()
            for form in FORMS:
                self.assertEqual(session.docmd("AUTH", f"{form} {base64.b64encode(right.encode()).decode()}")[0], 538)

    def test_another_claim_is_the_login(self):
        jwks, (right,) = make([{"key": "d", "claims": {**claims(), "preferred_username": "alice@Example.net", "email": "x"}}])
        self.serve(jwks, login_claim="preferred_username")
        self.assertEqual(self.python("XOAUTH2", right), (235, []))


class UsersTest(BearerCase):
    def test_a_user_needs_no_password(self):
        jwks, (right,) = make([{"key": "d", "claims": claims(email="token@example.net")}])
        self.serve(jwks, mechanisms=["OAUTHBEARER"], users=())

        def add(*options):
            return subprocess.run([support.SLUICE, "user", "add", "token@example.net", "--config", self.msa.config, *options],
                                  input=b"its password", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)

        refused = add("--password-stdin")
        self.assertEqual(refused.returncode, 64)
        self.assertIn(b"--no-password", refused.stdout)
        self.assertIn(b"excludes", add("--password-stdin", "--no-password").stdout)
        self.assertEqual(self.python("OAUTHBEARER", right, user="")[0], 535)
        self.assertEqual(add("--no-password").returncode, 0)
        self.assertEqual(self.python("OAUTHBEARER", right, user=""), (235, []))


class KeysTest(BearerCase):
    def test_reload_takes_new_keys_and_keeps_the_old_ones_when_they_are_bad(self):
        old_keys, (old,) = make([{"key": "r", "claims": claims()}])
        new_keys, (new,) = make([{"key": "2", "claims": claims()}], keys={"2": "ES256"})
        self.serve(old_keys)

        def reload(text, words):
            (self.msa.folder / "jwks.json").write_text(text)
            self.msa.signal(signal.SIGHUP)
            support.wait_until(lambda: words in self.msa.errors(), f"says: {words}")

        self.assertIn("token keys  3 of oauth.jwks_file\n", self.msa.errors())
        self.assertEqual((self.python("XOAUTH2", old)[0], self.python("XOAUTH2", new)[0]), (235, 535))
        reload('{"keys": []}', "reload failed, nothing has changed: oauth.jwks_file: ")
        self.assertEqual((self.python("XOAUTH2", old)[0], self.python("XOAUTH2", new)[0]), (235, 535))
        reload(new_keys, "token keys: 1 of oauth.jwks_file")
        self.assertEqual((self.python("XOAUTH2", old)[0], self.python("XOAUTH2", new)[0]), (535, 235))

    def test_what_is_wrong_is_told_before_it_serves(self):
        weak, _ = make([], keys={"1": "RS256"}, bits=1024)
        site = self.site(auth={"mechanisms": ["OAUTHBEARER"]}, users=())
        self.assert_wrong(site, "oauth.jwks_file: is missing, and a mechanism takes tokens", "oauth.issuer", "oauth.audience")
        site.write_config(auth={"mechanisms": ["OAUTHBEARER"]}, oauth={"jwks_file": "jwks.json", "issuer": "i", "audience": "a"})
        file = site.folder / "jwks.json"
        self.assert_wrong(site, f"oauth.jwks_file: open {file}: No such file")
        file.write_text(weak)
        self.assert_wrong(site, f'oauth.jwks_file: {file}: key 1 ("1"): RSA with 1024 bits; expected 2048 to 4096')
        file.write_text("{")
        self.assert_wrong(site, f"oauth.jwks_file: {file}: is not JSON")

    def assert_wrong(self, site, *words):
        check = subprocess.run([support.SLUICE, "check", "--config", site.config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, timeout=PATIENCE)
        code, said = site.serve_and_fail()
        for word in words:
            self.assertIn(word, check.stdout.decode())
            self.assertIn(word, said)
        self.assertNotEqual((check.returncode, code), (0, 0))


if __name__ == "__main__":
    support.main()
