"""The disk under the spool: full, filled by somebody else, unfit, or taken.

The spool is a tmpfs of a few MiB, so root is needed for mount; where it may not, those tests are skipped. A full disk
costs new mail a 452 and nothing else: what was accepted is delivered, and when there is room again mail is taken with
no restart.
"""
import contextlib
import ctypes
import os
import re
import shutil
import socket
import struct
import subprocess
import time
import unittest

import support
from support import IS_ROOT, RECIPIENT, SENDER, wait_until

MIB = 1 << 20
BODY = b"".join(b"%07d\r\n" % i for i in range(4000))  # 36 KB
NEVER = {"retry_min": "1h", "retry_max": "1h"}
OFTEN = {"retry_min": "1s", "retry_max": "1s"}
SEGMENT = {"segment_bytes": MIB, "batch_bytes": 64 << 10}


def why_no_mount():
    if not IS_ROOT:
        return "needs root, to mount a small tmpfs"
    folder = support.BUILD / "process" / f"mount-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)
    except FileNotFoundError:
        return "there is no mount(8)"
    finally:
        folder.rmdir()
    return None if mounted.returncode == 0 else f"mount is not permitted here: {mounted.stderr.strip()}"


NO_MOUNT = why_no_mount()


class SpoolTestCase(support.TestCase):
    def setUp(self):
        super().setUp()
        self.mounts = []

    def _remove_folder(self):  # after the programs have ended
        for mount in self.mounts:
            subprocess.run(["umount", "-l", mount], check=True)
        super()._remove_folder()

    def small_spool(self, site, mebibytes, options=""):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700{options}", "tmpfs", site.spool],
                       check=True)
        self.mounts.append(site.spool)

    def free(self, site):
        space = os.statvfs(site.spool)
        return space.f_bavail * space.f_frsize

    def fill(self, site, leave=0):
        """Somebody else's file takes all the room but so much."""
        with open(site.spool / "filler", "ab", buffering=0) as filler, contextlib.suppress(OSError):  # ENOSPC
            while (room := self.free(site) - leave) > 0:
                filler.write(b"x" * min(room, MIB))

    def make_room(self, site):
        (site.spool / "filler").unlink()

    def submit_until_full(self, server, body=BODY, most=5000):
        """The marks of what was accepted before MAIL gave 452."""
        accepted = []
        with server.client() as client:
            for mark in range(most):
                client.send(f"MAIL FROM:<{SENDER}>\r\n".encode())
                if (reply := client.reply()[0]).startswith("452 "):
                    self.assertEqual(reply, "452 4.3.1 Insufficient system storage")
                    return accepted
                self.assertTrue(reply.startswith("250 "), reply)
                client.command(f"RCPT TO:<{RECIPIENT}>", 250)
                client.command("DATA", 354)
                client.send(b"X-Mark: %d\r\n\r\n" % mark + body + b".\r\n")
                reply = client.reply()[0]
                if reply.startswith("250 2.0.0"):
                    accepted.append(mark)
                else:
                    self.assertEqual(reply[:9], "452 4.3.1", "an honest answer to what did not fit")
        self.fail(f"{most} messages and the disk is not full")

    def is_accepted(self, server, content=b"X-Mark: 9999\r\n\r\n" + BODY):
        with server.client() as client:
            client.send(f"MAIL FROM:<{SENDER}>\r\n".encode())
            reply = client.reply()[0]
            if not reply.startswith("250 "):
                self.assertEqual(reply[:9], "452 4.3.1")
                return False
            client.command(f"RCPT TO:<{RECIPIENT}>", 250)
            client.command("DATA", 354)
            client.send(content + b".\r\n")
            return client.reply()[0].startswith("250 ")

    def refusing_hop(self):
        return self.hop(lambda event, text, hop: "450 4.3.2 Not now" if event == "MAIL" else None)

    def marks(self, messages):
        return sorted(int(re.search(rb"^X-Mark: (\d+)\r$", message.header, re.MULTILINE)[1]) for message in messages)


def take_all(event, text, hop):
    return None


@unittest.skipIf(NO_MOUNT, NO_MOUNT)
class FullDiskTest(SpoolTestCase):
    def check_all_is_delivered_and_mail_taken_again(self, server, hop, accepted, free_again=lambda: None):
        """The next hop comes back: what was queued goes out; then there is room, with no restart."""
        pid = server.pid
        hop.rule = take_all
        hop.wait_messages(len(accepted), 40)
        server.wait_queue_empty()
        self.assertEqual(self.marks(hop.messages), accepted)
        for message in hop.messages:
            self.assertEqual(message.body.replace(b"\r\n", b""), BODY.replace(b"\r\n", b""))
        free_again()
        wait_until(lambda: self.is_accepted(server), "mail is taken again", step=0.2)
        hop.wait_messages(len(accepted) + 1)
        self.assertEqual((server.pid, server.running()), (pid, True))
        self.assertEqual(server.stats()["journal_poisoned"], 0)
        server.wait_queue_empty()
        self.assertEqual(server.stop(), 0)

    def test_full_of_mail(self):
        for shards in (1, 2):
            with self.subTest(shards=shards):
                hop = self.refusing_hop()
                site = self.site(f"full{shards}")
                site.write_config(next_hop=[hop.address], queue=SEGMENT | OFTEN, shards=shards)
                self.small_spool(site, 12 * shards)
                server = site.start()
                accepted = self.submit_until_full(server)
                self.assertGreater(len(accepted), 100)  # most of 12 MiB
                if shards == 1:  # of two, the other may have room left
                    self.assertFalse(self.is_accepted(server))
                # Their deferrals are told to the disk too, and may not take the room that ends them.
                wait_until(lambda: server.stats()["messages_deferred_total"] > 8 * len(accepted), "many deferrals")
                self.check_all_is_delivered_and_mail_taken_again(server, hop, accepted)

    def test_filled_by_somebody_else(self):
        hop = self.refusing_hop()
        site = self.site()
        site.write_config(next_hop=[hop.address], queue=SEGMENT | OFTEN)
        self.small_spool(site, 16)
        server = site.start()
        self.assertTrue(self.is_accepted(server, b"X-Mark: 8888\r\n\r\n" + BODY))
        self.fill(site)
        accepted = self.submit_until_full(server)
        self.assertLess(len(accepted), 150)  # segments made before are used; no new one can be
        self.check_all_is_delivered_and_mail_taken_again(server, hop, accepted + [8888],
                                                         lambda: self.make_room(site))

    def test_mail_flows_through_a_full_disk(self):
        """With a next hop that takes it, old segments are used again: less room is no end."""
        sink = self.sink(store=False)
        site = self.site()
        site.write_config(next_hop=[sink.address], queue=SEGMENT | OFTEN)
        self.small_spool(site, 16)
        server = site.start()
        self.assertTrue(self.is_accepted(server))
        server.wait_queue_empty()
        self.fill(site)
        count = 0
        with server.client() as client:
            for _ in range(300):  # 11 MB; three segments are there
                client.send(f"MAIL FROM:<{SENDER}>\r\n".encode())
                if not client.reply()[0].startswith("250 "):
                    server.wait_queue_empty()
                    continue
                client.command(f"RCPT TO:<{RECIPIENT}>", 250)
                client.command("DATA", 354)
                client.send(BODY + b".\r\n")
                count += client.reply()[0].startswith("250 ")
        server.wait_queue_empty()
        self.assertGreater(count, 200)
        self.assertEqual(server.stats()["messages_delivered_total"], count + 1)

    def test_large_messages_are_refused_too_and_leave_nothing_behind(self):
        hop = self.refusing_hop()
        site = self.site()
        site.write_config(next_hop=[hop.address], queue=SEGMENT | OFTEN)
        self.small_spool(site, 12)
        server = site.start()
        accepted = self.submit_until_full(server, BODY * 20)
        self.assertGreater(len(accepted), 5)
        with server.client() as client:  # more than can ever fit: its parts are given back
            client.send(f"MAIL FROM:<{SENDER}>\r\n".encode())
            self.assertEqual(client.reply()[0][:9], "452 4.3.1")
        hop.rule = take_all
        hop.wait_messages(len(accepted), 40)
        server.wait_queue_empty()
        self.assertEqual(self.marks(hop.messages), accepted)
        for _ in range(10):  # each is refused at its end, or before; none may eat the room of the next for good
            self.assertFalse(self.is_accepted(server, b"X-Mark: 7777\r\n\r\n" + BODY * 400))
        wait_until(lambda: self.is_accepted(server), "a message that fits is taken", step=0.2)
        self.assertEqual(server.stats()["journal_poisoned"], 0)

    def test_bounces_and_deferrals_are_kept_on_a_full_disk(self):
        replies = {"never": "550 5.1.1 Never", "later": "450 4.2.1 Later"}
        hop = self.refusing_hop()
        site = self.site()
        site.write_config(next_hop=[hop.address], queue=SEGMENT | OFTEN)
        self.small_spool(site, 12)
        server = site.start()
        accepted = self.submit_until_full(server)

        def rule(event, text, hop):  # a third is refused, a third deferred once, a third taken
            if event == "." and text.sender:
                mark = int(re.search(rb"^X-Mark: (\d+)\r$", text.header, re.MULTILINE)[1])
                if mark % 3 == 0:
                    return replies["never"]
                if mark % 3 == 1 and mark not in deferred:
                    deferred.add(mark)
                    return replies["later"]
            return None
        deferred = set()
        hop.rule = rule
        hop.wait_messages(len(accepted), 40)
        server.wait_queue_empty()
        self.assertEqual(self.marks(message for message in hop.messages if message.sender),
                         [mark for mark in accepted if mark % 3])
        self.assertEqual(len([message for message in hop.messages if not message.sender]),
                         len([mark for mark in accepted if mark % 3 == 0]))

    def test_a_restart_on_a_full_disk_delivers_what_is_there(self):
        for end in ("kill", "stop"):
            with self.subTest(end=end):
                hop = self.refusing_hop()
                site = self.site(f"restart_{end}")
                site.write_config(next_hop=[hop.address], queue=SEGMENT | OFTEN)
                self.small_spool(site, 12)
                server = site.start()
                accepted = self.submit_until_full(server)
                self.fill(site)
                getattr(server, end)()
                self.fill(site)
                server = site.start()
                self.check_all_is_delivered_and_mail_taken_again(server, hop, accepted,
                                                                 lambda: self.make_room(site))

    def test_spool_reserve_is_left_free(self):
        hop = self.refusing_hop()
        site = self.site()
        site.write_config(next_hop=[hop.address], queue=SEGMENT | OFTEN | {"spool_reserve": 6 * MIB})
        self.small_spool(site, 16)
        server = site.start()
        accepted = self.submit_until_full(server)
        self.assertGreaterEqual(self.free(site), 6 * MIB)
        self.assertLess(self.free(site), 8 * MIB)
        self.check_all_is_delivered_and_mail_taken_again(server, hop, accepted)

    def test_mail_gets_452_when_others_take_the_reserve(self):
        """`sluice check --show`: "free space below which MAIL gets 452"."""
        site = self.site()
        site.write_config(queue=SEGMENT | {"spool_reserve": 6 * MIB})
        self.small_spool(site, 16)
        server = site.start()
        self.assertTrue(self.is_accepted(server))
        self.fill(site, leave=2 * MIB)
        wait_until(lambda: not self.is_accepted(server, b"X-Mark: 1\r\n\r\nsmall\r\n"), "MAIL gets 452", 10, step=0.2)
        self.make_room(site)
        wait_until(lambda: self.is_accepted(server), "mail is taken again", step=0.2)

    def test_no_inodes(self):
        hop = self.refusing_hop()
        site = self.site()
        site.write_config(next_hop=[hop.address], queue=SEGMENT | OFTEN)
        self.small_spool(site, 64, ",nr_inodes=100")
        server = site.start()
        fillers = []
        with contextlib.suppress(OSError):
            for i in range(100):
                fillers.append(site.spool / f"empty{i}")
                fillers[-1].touch()
        accepted = self.submit_until_full(server)

        def remove():
            for filler in fillers:
                filler.unlink(missing_ok=True)
        self.check_all_is_delivered_and_mail_taken_again(server, hop, accepted, remove)


# --- file systems that lack something --------------------------------------------------------------------------------------


def forbid_o_direct():
    """For a child process: openat with O_DIRECT fails with EINVAL, as on a file system that does not know it."""
    def statement(code, jump_true, jump_false, value):
        return struct.pack("HBBI", code, jump_true, jump_false, value)
    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JSET|K, RET|K
    number_of_openat = {"x86_64": 257, "aarch64": 56}[os.uname().machine]
    program = b"".join([
        statement(load, 0, 0, 0),                        # seccomp_data.nr
        statement(equal, 0, 3, number_of_openat),
        statement(load, 0, 0, 32),                       # args[2]: flags
        statement(any_bit, 0, 1, os.O_DIRECT),
        statement(give, 0, 0, 0x00050000 | 22),          # SECCOMP_RET_ERRNO, EINVAL
        statement(give, 0, 0, 0x7fff0000),               # SECCOMP_RET_ALLOW
    ])
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(38, ctypes.c_ulong(1), zero, zero, zero) or libc.prctl(22, ctypes.c_ulong(2), filter_, zero, zero):
        os._exit(99)  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP


def why_no_seccomp():
    child = subprocess.run(["true"], preexec_fn=forbid_o_direct)
    return None if child.returncode == 0 else "seccomp filters are not to be had here"


class FileSystemTest(SpoolTestCase):
    def check(self, site, sink, preexec=None):
        """Takes, keeps over a crash, and delivers; small messages and large ones."""
        server = site.start(preexec=preexec)
        for content in (b"X-Mark: 1\r\n\r\n" + BODY, b"X-Mark: 2\r\n\r\n" + BODY * 10):
            self.assertTrue(self.is_accepted(server, content))
        self.assertEqual(len(server.queue()), 2)
        server.kill()
        site.write_config(next_hop=[sink.address])
        server = site.start(preexec=preexec)
        self.assertEqual(self.marks(sink.wait_messages(2)), [1, 2])
        server.wait_queue_empty()
        self.assertEqual(server.stop(), 0)
        return server

    def test_without_o_direct(self):
        if (why := why_no_seccomp()) is not None:
            self.skipTest(why)
        site = self.site(next_hop=[f"127.0.0.1:{support.free_port()}"], queue=NEVER)
        server = self.check(site, self.sink(), forbid_o_direct)
        self.assertIn("O_DIRECT no", server.errors())

    @unittest.skipIf(NO_MOUNT, NO_MOUNT)
    def test_on_tmpfs(self):
        site = self.site(next_hop=[f"127.0.0.1:{support.free_port()}"], queue=NEVER)
        self.small_spool(site, 64)
        self.check(site, self.sink())


# --- a spool that cannot be had ---------------------------------------------------------------------------------------------


class UnfitSpoolTest(support.TestCase):
    def assert_refuses(self, site, *words):
        """serve ends at once, not by a signal, and says what is wrong in a line with these words."""
        began = time.monotonic()
        code, errors = site.serve_and_fail()
        self.assertLess(time.monotonic() - began, 10)
        self.assertGreater(code, 0, errors)
        last = errors.splitlines()[-1]
        for word in words:
            self.assertIn(str(word), last)
        return code

    def test_a_second_server_is_refused_and_the_first_goes_on(self):
        sink = self.sink()
        site = self.site(next_hop=[sink.address])
        server = site.start()
        self.assert_refuses(site, "in use by another sluice serve", f"pid {server.pid}", site.spool)
        other = self.site("other", next_hop=[sink.address])  # its own ports and users, the same spool
        other.config.write_text(other.config.read_text().replace('spool_dir = "spool"', f'spool_dir = "{site.spool}"'))
        self.assert_refuses(other, "in use by another sluice serve", f"pid {server.pid}")
        for _ in range(20):  # no connection went astray to one that was about to end
            with server.client() as client:
                client.submit(b"Subject: x\r\n\r\ntext\r\n")
        sink.wait_messages(20)
        server.kill()
        site.start()  # and a lock is no longer one when its owner is dead

    def test_a_spool_in_a_files_place(self):
        site = self.site()
        site.spool.rmdir()
        site.spool.write_text("a file")
        self.assert_refuses(site, site.spool, "Not a directory")

    def test_a_spool_whose_parent_is_missing(self):
        site = self.site()
        shutil.move(site.spool, site.folder / "away")
        site.config.write_text(site.config.read_text().replace('"spool"', '"missing/spool"'))
        self.assert_refuses(site, "missing/spool", "No such file")

    def test_a_state_folder_in_a_files_place(self):
        site = self.site()
        shutil.rmtree(site.state)
        site.state.write_text("a file")
        self.assert_refuses(site, site.state, "Not a directory")

    def test_a_damaged_spool_id(self):
        site = self.site()
        server = site.start()
        self.assertEqual(server.stop(), 0)
        (site.spool / "spool.id").write_bytes(b"short")
        self.assert_refuses(site, site.spool / "spool.id", "damaged")

    def test_a_log_folder_that_is_missing(self):
        site = self.site()
        site.log.rmdir()
        self.assert_refuses(site, site.log, "No such file")

    @unittest.skipUnless(IS_ROOT, "needs root, to serve as another user")
    def test_folders_that_the_servers_account_may_not_use(self):
        def unreadable_spool(site):
            os.chown(site.spool, 0, 0)
            site.spool.chmod(0o700)
            return site.spool

        def spool_of_another_user(site):
            for path in [site.spool, *site.spool.rglob("*")]:
                os.chown(path, 0, 0)
            site.spool.chmod(0o755)
            return site.spool

        def unwritable_state(site):
            for path in [site.state, *site.state.rglob("*")]:
                os.chown(path, 0, 0)
            site.state.chmod(0o555)
            return site.state

        def unreadable_state(site):
            os.chown(site.state, 0, 0)
            site.state.chmod(0o700)
            return site.state

        def unwritable_log(site):
            for path in [site.log, *site.log.rglob("*")]:
                os.chown(path, 0, 0)
            site.log.chmod(0o755)
            return site.log
        for spoil in (unreadable_spool, spool_of_another_user, unwritable_state, unreadable_state, unwritable_log):
            with self.subTest(spoil.__name__):
                site = self.site(spoil.__name__, account="nobody")
                server = site.start()  # all is well at first
                self.assertEqual(server.stop(), 0)
                self.assert_refuses(site, spoil(site), "Permission denied")

    def test_a_port_that_is_taken(self):
        site = self.site()
        with socket.create_server(("127.0.0.1", site.starttls_port)):
            code, errors = site.serve_and_fail()  # a killed predecessor's port comes free late: it waits a while
        self.assertGreater(code, 0)
        self.assertIn(f"127.0.0.1:{site.starttls_port}", errors)
        self.assertIn("in use", errors)


if __name__ == "__main__":
    support.main()
