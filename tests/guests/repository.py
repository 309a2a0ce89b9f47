# SPDX-License-Identifier: MIT
"""A Debian archive of a few packages in a folder, signed with a throw-away key."""

import hashlib
import shutil
import subprocess
import tempfile
from email.utils import formatdate


class Repository:
    """As a context: the key is gone at its end. `folder/key.gpg` is the public one."""

    def __init__(self, folder, suite, arch):
        self.folder, self.suite, self.arch = folder, suite, arch
        self.home = tempfile.mkdtemp(prefix="bp-gpg-")  # gpg's sockets want a short path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], capture_output=True)
        shutil.rmtree(self.home, ignore_errors=True)  # the agent takes its sockets along

    def _gpg(self, *argv, **more):
        return subprocess.run(["gpg", "--batch", "--yes", "--homedir", self.home, "--passphrase",
                               "", "--pinentry-mode", "loopback", *argv], check=True,
                              capture_output=True, **more).stdout

    def publish(self, debs):
        """Takes the packages in, makes the index and signs it."""
        pool, dist = self.folder / "pool", self.folder / "dists" / self.suite
        index = dist / f"main/binary-{self.arch}/Packages"
        pool.mkdir(parents=True)
        index.parent.mkdir(parents=True)
        stanzas = []
        for deb in debs:
            name = deb.name.replace("%3a", "_")  # apt writes an epoch's colon so
            shutil.copyfile(deb, pool / name)
            control = subprocess.check_output(["dpkg-deb", "-f", deb], text=True)
            stanzas.append(f"{control}Filename: pool/{name}\nSize: {deb.stat().st_size}\n"
                           f"SHA256: {hashlib.sha256(deb.read_bytes()).hexdigest()}\n")
        index.write_text("\n".join(stanzas))
        data = index.read_bytes()
        release = (f"Origin: test\nSuite: {self.suite}\nCodename: {self.suite}\n"
                   f"Date: {formatdate(usegmt=True)}\nArchitectures: {self.arch}\n"
                   f"Components: main\nSHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} "
                   f"main/binary-{self.arch}/Packages\n")
        self._gpg("--quick-generate-key", "test@example.org", "rsa3072", "sign", "never")
        (self.folder / "key.gpg").write_bytes(self._gpg("--export", "test@example.org"))
        (dist / "InRelease").write_bytes(
            self._gpg("--clearsign", "--digest-algo", "SHA512", input=release.encode()))
