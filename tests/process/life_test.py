"""The life of the process: start, reload, what it does with the files it finds, and the commands beside it."""
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import unittest

import support
from support import HOSTNAME, IS_ROOT, SLUICE, SLUICE_LOAD, trusting_context, wait_until

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


if __name__ == "__main__":
    support.main()
