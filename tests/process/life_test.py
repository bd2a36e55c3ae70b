"""The life of the process: start, reload, what it does with the files it finds, and the commands beside it."""
import fcntl
import os
import pathlib
import pwd
import re
import shutil
import signal
import ssl
import subprocess
import unittest

import support
from support import IS_ROOT, PATIENCE, SENDER, SLUICE, trusting_context, wait_until

MESSAGE = b"Subject: a test\r\n\r\ntext\r\n"


def admin_words(server):
    return [event["detail"] for event in server.events("Admin")]


def wait_words(server, text):
    """The admin event that holds `text`."""
    return wait_until(lambda: next((words for words in admin_words(server) if text in words), None),
                      lambda: f"an admin event with '{text}'; there are {admin_words(server)}")


def reload(server, text="reload"):
    before = len([words for words in admin_words(server) if "reload" in words])
    server.signal(signal.SIGHUP)
    wait_until(lambda: len([words for words in admin_words(server) if "reload" in words]) > before, "the reload")
    return wait_words(server, text)


def certificate_of(site):
    """What a client is shown, as PEM."""
    with site.raw("implicit") as client:
        return ssl.DER_cert_to_PEM_cert(client.socket.getpeercert(binary_form=True))


class ReloadTest(support.TestCase):
    def test_only_certificates_are_taken_over_and_the_rest_is_named(self):
        site = self.site()
        hop = self.hop(tls=(site.folder / "cert.pem", site.folder / "key.pem"))
        relay = {"tls": "verify", "tls_name": "other.example.net", "ca_file": "cert.pem"}
        site.write_config(next_hop=[hop.address], relay=relay)
        server = site.start()
        with server.client() as client:
            client.submit(MESSAGE)
            server.wait_events("TransientFailure")

            site.write_config(next_hop=[hop.address], relay=relay | {"tls": "required"}, limits={"recipients": 7})
            words = reload(server)
            client.submit(MESSAGE)  # the next hop is still not believed
            server.wait_events("TransientFailure", len(server.events("TransientFailure")) + 3)
            self.assertEqual(hop.messages, [])
            self.assertEqual(words, "reload: certificates and event log are new; changed in the file, in force after a "
                                    "restart: relay.tls, limits.recipients")

            site.write_config(next_hop=[hop.address], relay=relay)
            server.signal(signal.SIGHUP)
            wait_until(lambda: admin_words(server)[-1] == "reload: certificates and event log are new",
                       lambda: f"a reload with nothing left over: {admin_words(server)}")

    def test_a_new_certificate_serves_and_a_bad_one_changes_nothing(self):
        site = self.site()
        server = site.start()
        old = certificate_of(server)
        other = self.site("other")
        text = site.config.read_text()
        site.config.write_text(text.replace('"cert.pem"', support.toml(other.folder / "cert.pem"))
                               .replace('"key.pem"', support.toml(site.folder / "key.pem")))
        self.assertIn("does not belong", reload(server, "reload failed, nothing has changed"))
        self.assertEqual(certificate_of(server), old)

        site.config.write_text(text.replace('"cert.pem"', support.toml(other.folder / "cert.pem"))
                               .replace('"key.pem"', support.toml(other.folder / "key.pem")))
        self.assertEqual(reload(server, "are new"), "reload: certificates and event log are new")
        self.assertEqual(certificate_of(server).strip(), (other.folder / "cert.pem").read_text().strip())

    def test_tickets_may_be_switched_off(self):
        site = self.site()
        server = site.start()
        site.write_config(tls={"ticket_lifetime": "0s"})
        self.assertIn("after a restart: tls.ticket_lifetime", reload(server))
        self.assertEqual(server.stop(), 0)
        server = site.start()
        context = trusting_context(maximum_version=ssl.TLSVersion.TLSv1_2)
        for _ in range(2):
            with server.client("implicit", context=context) as client:
                client.submit(MESSAGE)
                self.assertFalse(client.socket.session.has_ticket)
        reload(server)
        with server.client() as client:
            client.submit(MESSAGE)


@unittest.skipUnless(IS_ROOT, "links matter where root meets them")
class LinkTest(support.TestCase):
    """Started as root in folders that the service account owns, and where it has put links in the way."""

    def setUp(self):
        super().setUp()
        self.site_ = self.site(account="nobody")
        self.victim = self.folder / "victim"
        self.victim.write_text("precious")
        self.victim.chmod(0o600)

    def expect_untouched(self):
        self.assertEqual(self.victim.read_text(), "precious")
        self.assertEqual((self.victim.stat().st_uid, self.victim.stat().st_mode & 0o777), (0, 0o600))

    def test_the_files_of_the_spool_are_never_links(self):
        for name in ("lock", "spool.id", "spool.id.tmp"):
            with self.subTest(name):
                link = self.site_.spool / name
                link.symlink_to(self.victim)
                code, words = self.site_.serve_and_fail()
                self.expect_untouched()
                self.assertIn(str(link), words)
                self.assertNotEqual(code, 0)
                link.unlink()
        self.site_.start().stop()

    def test_a_folder_is_never_made_beyond_a_link(self):
        far = self.folder / "far"
        (self.site_.spool / "shard-0000").symlink_to(far)
        self.site_.serve_and_fail()
        self.assertFalse(far.exists())

    def test_a_spool_that_another_account_served_is_told_with_the_remedy(self):
        (self.site_.spool / "lock").touch(mode=0o600)
        code, words = self.site_.serve_and_fail()
        self.assertEqual(code, 77)
        self.assertIn(f"chown -R nobody: {self.site_.spool}", words)

    def test_what_root_makes_belongs_to_the_account(self):
        shutil.rmtree(self.site_.spool)
        self.site_.start().stop()
        nobody = pwd.getpwnam("nobody").pw_uid
        for path in (self.site_.spool, *self.site_.spool.rglob("*")):
            self.assertEqual(path.stat().st_uid, nobody, path)
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)

    def test_a_pid_file_in_a_folder_of_the_account_is_never_a_link(self):
        run = self.folder / "run"
        run.mkdir()
        shutil.chown(run, "nobody")
        for name in ("sluice.pid", "sluice.pid.tmp"):
            (run / name).symlink_to(self.victim)
        self.site_.write_config(top={"pid_file": run / "sluice.pid"})
        code, words = self.site_.serve_and_fail()
        self.expect_untouched()
        self.assertNotEqual(code, 0)
        self.assertIn("pid_file", words)


class PidFileTest(support.TestCase):
    def test_is_there_while_the_server_is(self):
        """Also in a folder of root's, such as /run, where a server that is root no more cannot remove it."""
        site = self.site(account="nobody")
        pid_file = self.folder / "sluice.pid"  # of root's, where tests run as root
        site.write_config(top={"pid_file": pid_file})
        for _ in range(2):
            server = site.start()
            self.assertEqual(pid_file.read_text(), f"{server.pid}\n")
            self.assertNotIn("warning: create", server.errors())
            self.assertEqual(server.stop(), 0)
            self.assertEqual(pid_file.read_text() if pid_file.exists() else "", "")

    def test_that_cannot_be_made_is_told(self):
        site = self.site(account="nobody")
        site.write_config(top={"pid_file": self.folder / "none" / "sluice.pid"})
        code, words = site.serve_and_fail()
        self.assertNotEqual(code, 0)
        self.assertIn("pid_file", words)


class SpoolTest(support.TestCase):
    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_the_names_of_its_folders_are_synced(self):
        """Mail in a folder whose name is lost with the power is lost."""
        site = self.site()
        shutil.rmtree(site.spool)
        trace = self.folder / "trace"
        server = site.start(wrapper=["strace", "-f", "-y", "-o", trace, "-e", "trace=mkdir,fsync"])
        for child in pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGTERM)
        server.wait()
        calls = trace.read_text()
        for folder in (site.spool, site.spool / "shard-0000"):
            made = calls.index(f'mkdir("{folder}"')
            self.assertRegex(calls[made:], rf"fsync\(\d+<{re.escape(str(folder.parent))}>\) += 0")

    def test_is_read_by_the_queue_command_only_when_no_server_has_it(self):
        site = self.site()
        hop = self.hop(lambda event, text, hop: "421 4.3.2 Later" if event == "connect" else None)
        site.write_config(next_hop=[hop.address])
        server = site.start()
        with server.client() as client:
            queue_id = client.submit(MESSAGE)

        def queue_list():
            result = subprocess.run([SLUICE, "queue", "list", "--config", site.config], capture_output=True, text=True,
                                    timeout=PATIENCE)
            return result.returncode, result.stdout + result.stderr

        self.assertIn(queue_id, queue_list()[1])
        temporary = site.spool / "shard-0000" / "seg-00000099.log.tmp"  # as while the server makes a segment
        temporary.touch()
        (site.state / "admin.sock").rename(site.state / "away.sock")  # as while it recovers
        code, words = queue_list()
        self.assertEqual(code, 75)
        self.assertIn(f"pid {server.pid}", words)
        self.assertIn("try again", words)
        self.assertTrue(temporary.exists())
        (site.state / "away.sock").rename(site.state / "admin.sock")

        server.kill()
        self.assertIn(queue_id, queue_list()[1])
        self.assertTrue(temporary.exists(), "only the server cleans up")
        site.start()
        self.assertFalse(temporary.exists())

    def test_below_its_reserve_mail_is_refused_and_what_is_queued_goes_out(self):
        site = self.site()
        hop = self.hop(lambda event, text, hop: None if relaying else "421 4.3.2 Later")
        relaying = False
        site.write_config(next_hop=[hop.address])
        server = site.start()
        with server.client() as client:
            client.submit(MESSAGE)
        self.assertEqual(server.stop(), 0)

        space = os.statvfs(site.spool)
        site.write_config(next_hop=[hop.address], queue={"spool_reserve": space.f_bavail * space.f_frsize * 2})
        server = site.start()
        with server.client() as client:
            client.command(f"MAIL FROM:<{SENDER}>", "452 4.3.1")
            client.command("NOOP", 250)
        self.assertIn("queue.spool_reserve", server.admin("/readyz", expect=503))
        self.assertIn("queue.spool_reserve", wait_words(server, str(site.spool)))
        relaying = True
        server.wait_queue_empty()
        self.assertEqual(len(hop.messages), 1)

    def test_a_server_waits_for_the_queue_command(self):
        site = self.site()
        site.start().stop()
        with open(site.spool / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            server = site.start(ready=False)
            with self.assertRaises(AssertionError):
                wait_until(lambda: not server.running() or server.output(), "an end or a start", seconds=1)
        server.wait_ready()


if __name__ == "__main__":
    support.main()
