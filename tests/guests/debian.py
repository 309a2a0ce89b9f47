# SPDX-License-Identifier: MIT
"""Packages of any Debian suite and architecture, fetched by apt itself.

apt gets a state, lists, a cache and a source of its own, below one folder. Which mirror and
which keys it uses is copied from the machine's own Debian source, with the suite changed; apt
checks the signature of the index and the sums of everything below it.
"""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

KEYRINGS = ("usr/share/keyrings/debian-archive-keyring.pgp",
            "usr/share/keyrings/debian-archive-keyring.gpg")
NO_SOURCE = ("this machine's apt has no source of the Debian archive for its own release; "
             "name a Debian mirror in BACKPLANE_DEBIAN_MIRROR "
             "(the address that ends above its dists/ folder)")
NO_KEYS = ("the Debian archive's keys are not on this machine; "
           "install the package debian-archive-keyring")
OLD_KEYS = ("\nIf the keys are too old for this suite, update the package "
            "debian-archive-keyring.")

# apt is to obey this and not the machine's own hooks, pins, sources or leniency. Its proxies,
# credentials and certificates stay as the machine has them.
APT_CONF = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
APT::Get::Update::SourceListWarnings "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Etc::SourceList "{root}/sources.list";
Dir::Etc::SourceParts "{root}/sources.list.d";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "{root}/state";
Dir::State::Lists "{root}/lists";
Dir::State::Status "{root}/state/status";
Dir::State::extended_states "{root}/state/extended_states";
Dir::Cache "{root}/cache";
Dir::Cache::Archives "{root}/cache/archives";
Dir::Log "{root}/log";
"""


class FetchError(Exception):
    """A sentence for the user."""


@dataclass
class Source:
    """One source of the machine's apt: what of it is worth copying."""
    uris: list
    suites: list
    components: list
    keys: str = ""
    embedded_key: str = field(default="", repr=False)


def parse_one_line(text):
    """The sources of a sources.list file."""
    for line in text.splitlines():
        m = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if m:
            options = dict(o.split("=", 1) for o in (m[1] or "").split() if "=" in o)
            yield Source([m[2]], [m[3]], m[4].split(), options.get("signed-by", ""))


def parse_deb822(text):
    """The sources of a .sources file."""
    text = re.sub(r"^#.*\n?", "", text, flags=re.M)
    for stanza in re.split(r"\n\s*\n", text):
        fields = {m[1].lower(): m[2].strip() for m in
                  re.finditer(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.M)}
        if "deb" not in fields.get("types", "").split() or \
                fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        keys = fields.get("signed-by", "")
        embedded = keys if "BEGIN PGP" in keys else ""
        yield Source(fields.get("uris", "").split(), fields.get("suites", "").split(),
                     fields.get("components", "").split(), "" if embedded else keys, embedded)


def machine_sources(root):
    """Every source that the machine's apt is configured with."""
    etc = root / "etc/apt"
    files = [etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list")),
             *sorted(etc.glob("sources.list.d/*.sources"))]
    for path in files:
        if path.is_file():
            parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
            yield from parse(path.read_text(errors="replace"))


def codename(root):
    m = re.search(r'^VERSION_CODENAME="?(\w+)', (root / "etc/os-release").read_text(), re.M)
    return m[1] if m else ""


def trust_rank(source):
    """Debian's own keys first, then apt's common ones; other people's keys are others' archives."""
    if "debian-archive" in source.keys:
        return 0
    return 1 if not source.keys and not source.embedded_key else 2


def choose_source(root, suite):
    """A copy of the machine's Debian source for `suite`. Point releases are new enough for a
    guest, and change so rarely that an index and what it lists agree even behind proxies: the
    -updates and -security suites are left out."""
    own = codename(root)
    names = {own, "stable", "oldstable", "testing", "unstable", "sid"} - {""}
    mirror = os.environ.get("BACKPLANE_DEBIAN_MIRROR")
    if mirror:
        return Source([mirror], [suite], ["main"])
    found = sorted((s for s in machine_sources(root)
                    if "main" in s.components and names & set(s.suites)), key=trust_rank)
    if not found:
        raise FetchError(NO_SOURCE)
    return replace(found[0], suites=[suite], components=["main"])


def with_keys(source, root):
    """A source must name its keys, so that nothing but Debian's own signature is accepted."""
    if source.embedded_key or (source.keys and "debian-archive" not in source.keys):
        return source
    for name in KEYRINGS:
        if (root / name).is_file():
            source.keys = str(root / name)
            return source
    raise FetchError(NO_KEYS)


class Suite:
    """One suite of one architecture. `root` is the machine's file system: tests have another."""

    def __init__(self, folder, suite, arch, root=Path("/")):
        self.name = f"{suite}/{arch}"
        self.folder = Path(folder) / "apt" / f"{suite}-{arch}"
        self.arch = arch
        self.suite = suite
        self.root = root
        self.ready = False

    def source(self):
        """Where the packages come from."""
        return with_keys(choose_source(self.root, self.suite), self.root)

    def _apt(self, *command, cwd=None):
        run = subprocess.run([command[0], "-q", "-c", self.folder / "apt.conf", *command[1:]],
                             cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})
        if run.returncode:
            why = "\n".join(line for line in run.stderr.splitlines() if line[:2] in ("E:", "W:"))
            raise FetchError(f"{self.name}: `{' '.join(command)}` failed:\n{why or run.stderr}"
                             + (OLD_KEYS if re.search("NO_PUBKEY|Missing key", why) else ""))
        return run.stdout

    def update(self):
        """Writes apt's private configuration and fetches the index, once per instance."""
        if self.ready:
            return
        source = self.source()
        for sub in ("state", "lists/partial", "cache/archives/partial", "log", "sources.list.d"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        (self.folder / "state/status").touch()
        (self.folder / "sources.list").write_text("")
        (self.folder / "sources.list.d/debian.sources").write_text(
            f"Types: deb\nURIs: {' '.join(source.uris)}\nSuites: {self.suite}\n"
            f"Components: main\nArchitectures: {self.arch}\nTargets: Packages\n"
            f"Signed-By: {source.embedded_key or source.keys}\n")
        (self.folder / "apt.conf").write_text(APT_CONF.format(arch=self.arch, root=self.folder))
        self._apt("apt-get", "update")
        self.ready = True

    def newest(self, package):
        """The fields of the package's newest version."""
        self.update()
        stanza = self._apt("apt-cache", "show", "--no-all-versions", package)
        return {m[1]: m[2] for m in re.finditer(r"^([\w-]+): (.*)$", stanza, re.M)}

    def follow(self, package, pattern):
        """The first dependency of `package` whose name matches: how a kernel's version is found."""
        depends = self.newest(package).get("Depends", "")
        for name in re.findall(r"[a-z0-9][a-z0-9.+-]+", re.sub(r"\([^)]*\)", "", depends)):
            if re.fullmatch(pattern, name):
                return name
        raise FetchError(f"{self.name}: {package} depends on `{depends}`; "
                         f"expected a package that matches `{pattern}`")

    def download(self, package, into):
        """Puts the package into the folder `into`, whole or not at all; returns its path."""
        self.update()
        with tempfile.TemporaryDirectory(dir=self.folder) as temp:
            self._apt("apt-get", "download", package, cwd=temp)
            debs = list(Path(temp).glob("*.deb"))
            if len(debs) != 1:
                raise FetchError(f"{self.name}: apt was asked for {package} and brought "
                                 f"{len(debs)} packages; expected one")
            into = Path(into)
            into.mkdir(parents=True, exist_ok=True)
            target = into / debs[0].name
            os.replace(debs[0], target)
            return target

    def download_all(self, names, into):
        """Puts the packages and all that they depend on into the folder; returns their paths. A
        name may be one of apt's patterns: `?essential`."""
        self.update()
        into = Path(into)
        (into / "partial").mkdir(parents=True, exist_ok=True)
        self._apt("apt-get", "install", "--download-only", "--yes", "--no-install-recommends",
                  "-o", f"Dir::Cache::Archives={into}", *names)
        debs = sorted(into.glob("*.deb"))
        if not debs:
            raise FetchError(f"{self.name}: apt was asked for {' '.join(names)} and brought nothing")
        return debs

    def forget(self):
        """Drops the index, so that the next update starts from nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.ready = False
