#!/usr/bin/env python3
# /// bramble
# about = "Put the manager's state into one file, while it works on"
# on = "manager"
# [params.to]
# about = "the file; where it is empty, one with the date in /var/backups"
# default = ""
# [params.state]
# about = "the manager's state folder"
# default = "/var/lib/bramble"
# ///
"""All that is acknowledged when it begins is in it. Passwords and keys are too: it is root's alone."""

import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import time

STEP = "begin"


def fail(why):
    sys.exit(f"backup: {STEP}: {why}")


def files_of(folder):
    """Paths inside a folder, of what is whole: the manager writes beside and renames."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if not os.path.islink(path) and os.path.isfile(path):
                yield os.path.relpath(path, folder)


def keep(source, target):
    """A second name for the same bytes, which nobody changes any more; a copy on another file system."""
    if os.path.exists(target):
        return
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        pass  # Let go of since: then the copy of the tables, which is made later, does not need it.
    except OSError:
        try:
            shutil.copy2(source, target)
        except FileNotFoundError:
            pass


def needed(db):
    """The contents that the tables speak of."""
    for (value,) in db.execute("SELECT hash FROM file UNION SELECT hash FROM result"):
        yield value
    for (given,) in db.execute("SELECT given FROM job WHERE given IS NOT NULL"):
        for one in json.loads(given):
            yield one["hash"]


def main():
    global STEP
    STEP = "parameters"
    state = os.environ["state"]
    target = os.environ["to"] or time.strftime("/var/backups/bramble-%Y%m%d-%H%M%S.tar")
    database = os.path.join(state, "bramble.db")
    if os.geteuid() != 0:
        fail("this needs root; run it with --as root")
    if not os.path.isfile(database):
        fail(f"{state} is not a manager's state folder: it has no bramble.db; name the right one with state=")
    if os.path.exists(target):
        fail(f"{target} is there already, and stays; choose another name with to=")
    folder = os.path.dirname(os.path.abspath(target))
    if not os.path.isdir(folder):
        fail(f"there is no folder {folder}; make it, or choose another with to=")

    os.umask(0o077)
    # Beside the state, so that the same bytes need no second place.
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=state) as copy:
        bytes_of = ("content", "outputs")
        STEP = "collect"
        # Before the tables are copied, as what they speak of then may be let go of later; and after, as more may have come.
        for name in bytes_of:
            for path in files_of(os.path.join(state, name)):
                keep(os.path.join(state, name, path), os.path.join(copy, name, path))
        STEP = "tables"
        try:
            source = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)
            tables = sqlite3.connect(os.path.join(copy, "bramble.db"))
            with source, tables:
                source.backup(tables)
            (sound,) = tables.execute("PRAGMA integrity_check").fetchone()
        except sqlite3.Error as error:
            fail(f"the tables cannot be copied: {error}")
        if sound != "ok":
            fail(f"the tables are damaged: {sound}")
        for name in bytes_of:
            for path in files_of(os.path.join(state, name)):
                keep(os.path.join(state, name, path), os.path.join(copy, name, path))
        STEP = "check"
        missing = [one for one in set(needed(tables)) if not os.path.exists(os.path.join(copy, "content", one[:2], one))]
        if missing:
            fail(f"{len(missing)} contents that the tables speak of are not there, {missing[0]} among them")
        tables.close()
        source.close()
        for name in ("host_key", "client_key"):
            path = os.path.join(state, name)
            if os.path.exists(path):
                shutil.copy2(path, os.path.join(copy, name))
        STEP = "write"
        part = target + ".part"
        try:
            with open(part, "wb") as file:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    for name in sorted(os.listdir(copy)):
                        archive.add(os.path.join(copy, name), arcname=name)
                file.flush()
                os.fsync(file.fileno())
            digest = hashlib.sha256()
            with open(part, "rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
            with open(target + ".sha256", "w") as file:
                file.write(f"{digest.hexdigest()}  {os.path.basename(target)}\n")
            os.rename(part, target)
        except OSError as error:
            for path in (part, target + ".sha256"):
                if os.path.exists(path):
                    os.remove(path)
            fail(f"{target} cannot be written: {error}")
    print(f"kept in {target}, {os.path.getsize(target)} bytes; keep it where only you can read it, it has keys and secrets")


main()
