#!/usr/bin/env python3
"""Gathers over 100 MB of real text: the .NET SDK's API documentation, and Debian's packages of manuals and sources.

    python3 make_corpus.py OUT.tar.xz [WORK]    # WORK keeps the downloads; default: beside OUT

One file a source; text only: UTF-8 without zero bytes, pages of HTML without their markup, no file twice. For Debian with
apt-get, dpkg and the SDK. What was taken is listed in corpus.json inside the archive.
"""

import hashlib
import html.parser
import json
import pathlib
import re
import subprocess
import sys

# package: what is taken from it.
PACKAGES = {
    "python3.11-doc": r"\.txt$",
    "libpython3.11-stdlib": r"\.py$",
    "python3-django": r"\.py$",
    "python-django-doc": r"\.html$",
    "golang-1.19-src": r"/src/(?!.*(vendor|testdata)/).*\.go$",
    "perl-modules-5.36": r"\.(pm|pod)$",
    "perl-doc": r"\.pod$",
    "postgresql-doc-15": r"\.html$",
    "git-doc": r"\.txt$",
    "sqlite3-doc": r"\.html$",
    "nodejs-doc": r"\.(html|md)$",
}
LARGEST = 2_000_000  # bytes of a file: larger ones are tables
LEAST = 200


class Words(html.parser.HTMLParser):
    """The text of a page, without scripts and styles."""

    def __init__(self):
        super().__init__()
        self.parts, self.hidden = [], 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style") and self.hidden > 0

    def handle_data(self, data):
        if not self.hidden:
            self.parts.append(data)


def text_of(path):
    raw = path.read_bytes()
    if not LEAST <= len(raw) <= LARGEST or b"\0" in raw:
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if path.suffix == ".html":
        words = Words()
        words.feed(text)
        text = re.sub(r"\n\s*\n\s*\n+", "\n\n", "".join(words.parts)).strip() + "\n"
    return text


def gather(files, out, seen):
    count = length = 0
    with open(out, "wb") as file:
        for path in sorted(files):
            text = text_of(path)
            if text is None:
                continue
            raw = text.encode()
            digest = hashlib.sha256(raw).digest()
            if digest in seen:
                continue
            seen.add(digest)
            file.write(raw)
            count, length = count + 1, length + len(raw)
    print(f"{out.name}: {count} files, {length / 1e6:.1f} MB", flush=True)
    return dict(file=out.name, files=count, bytes=length)


def sdk_files():
    dotnet = pathlib.Path(subprocess.run(["sh", "-c", "realpath $(command -v dotnet)"], capture_output=True, text=True, check=True).stdout.strip())
    return list(dotnet.parent.glob("packs/*/*/ref/*/*.xml"))


def unpacked(package, work):
    folder = work / package
    if not folder.exists():
        subprocess.run(["apt-get", "download", package], cwd=work, check=True)
        archive = next(work.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=True)
    return folder


def main():
    out = pathlib.Path(sys.argv[1]).resolve()
    work = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else out.parent / "corpus-work").resolve()
    text = work / "corpus"
    text.mkdir(parents=True, exist_ok=True)
    seen = set()
    taken = [dict(source=".NET SDK, packs/*/*/ref/*/*.xml", **gather(sdk_files(), text / "dotnet-api.txt", seen))]
    for package, pattern in PACKAGES.items():
        chosen = [p for p in unpacked(package, work).rglob("*") if p.is_file() and not p.is_symlink() and re.search(pattern, str(p))]
        version = next(work.glob(f"{package}_*.deb")).name.split("_")[1].replace("%3a", ":")
        taken.append(dict(source=f"Debian {package} {version}", **gather(chosen, text / f"{package}.txt", seen)))
    summary = dict(bytes=sum(s["bytes"] for s in taken), files=sum(s["files"] for s in taken), sources=taken)
    (work / "corpus.json").write_text(json.dumps(summary, indent=2) + "\n")
    subprocess.run(["tar", "-C", str(work), "-c", "-I", "xz -T2 -6", "-f", str(out), "corpus.json", "corpus"], check=True)
    print(f"{out}: {summary['bytes'] / 1e6:.1f} MB of text, {out.stat().st_size / 1e6:.1f} MB packed")


if __name__ == "__main__":
    main()
