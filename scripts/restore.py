#!/usr/bin/env python3
# /// bramble
# about = "Make the manager what it was when a backup was made; what it is now is put aside"
# on = "manager"
# dangerous = true
# [params.archive]
# about = "the file that the script backup has made, with its .sha256 beside it"
# [params.state]
# about = "the manager's state folder"
# default = "/var/lib/bramble"
# [params.unit]
# about = "the manager's unit, which is stopped and started meanwhile"
# default = "bramble-manager"
# ///
"""Where a manager runs on that state, systemd does the last step after this has ended with it."""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time

STEP = "begin"
# $1: the unit or nothing; $2: state; $3: what is to be in its place; $4: where what is there now goes. Should the last
# step fail, all is as it was.
SWAP = """
[ -z "$1" ] || systemctl stop "$1" || exit 1
[ ! -e "$2" ] || mv "$2" "$4" || exit 1
if ! mv "$3" "$2"; then mv "$4" "$2"; fi
[ -z "$1" ] || systemctl start "$1"
"""


def fail(why):
    sys.exit(f"restore: {STEP}: {why}")


def check_sum(archive):
    try:
        with open(archive + ".sha256") as file:
            told = file.read().split()[0]
    except (OSError, IndexError):
        fail(f"{archive}.sha256 is not beside it, so nobody knows whether it is whole")
    digest = hashlib.sha256()
    with open(archive, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    if digest.hexdigest() != told:
        fail(f"{archive} is not what the backup made: its checksum is another; take another backup")


def unpack(archive, folder):
    top = {"bramble.db", "content", "outputs", "host_key", "client_key"}
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = member.name.split("/")
            if parts[0] not in top or ".." in parts or not (member.isfile() or member.isdir() or member.islnk()):
                fail(f"{archive} has {member.name!r}, which no backup has")
            if member.islnk() and (member.linkname.split("/")[0] not in top or ".." in member.linkname.split("/")):
                fail(f"{archive} has {member.name!r}, which no backup has")
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            member.mode = 0o700 if member.isdir() else 0o600
            tar.extract(member, folder)


def is_held(state):
    """Whether a manager works on it."""
    path = os.path.join(state, "lock")
    if not os.path.exists(path):
        return False
    with open(path, "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def main():
    global STEP
    STEP = "parameters"
    archive, unit = os.path.abspath(os.environ["archive"]), os.environ["unit"]
    state = os.environ["state"].rstrip("/")
    if os.geteuid() != 0:
        fail("this needs root; run it with --as root")
    if not os.path.isfile(archive):
        fail(f"there is no file {archive}")
    if not os.path.isabs(state) or state == "":
        fail(f"state is a whole path, as in /var/lib/bramble, and not {state!r}")
    if unit.startswith("-") or not all(c.isalnum() or c in "-_.@" for c in unit):
        fail(f"unit is the name of a unit, and not {unit!r}")
    os.umask(0o077)
    STEP = "check"
    check_sum(archive)
    STEP = "unpack"
    restored = state + ".restored"
    if os.path.exists(restored):
        shutil.rmtree(restored)
    os.makedirs(restored, mode=0o700)
    try:
        unpack(archive, restored)
        with sqlite3.connect(os.path.join(restored, "bramble.db")) as tables:
            (sound,) = tables.execute("PRAGMA integrity_check").fetchone()
            tables.execute("SELECT count(*) FROM job").fetchone()
        if sound != "ok":
            fail(f"the tables in it are damaged: {sound}")
    except (OSError, tarfile.TarError, sqlite3.Error) as error:
        shutil.rmtree(restored)
        fail(f"{archive} cannot be used: {error}; nothing was changed")
    STEP = "swap"
    aside = time.strftime(f"{state}.before-%Y%m%d-%H%M%S")
    if is_held(state):
        # This ends with the manager, so somebody else has to go on.
        words = ["systemd-run", "--collect", "--quiet", "sh", "-c", SWAP, "sh", unit, state, restored, aside]
        try:
            subprocess.run(words, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            fail(f"a manager runs, and nobody here can stop and start it ({error}); stop it, and run this again")
        print(f"{unit} is being started anew with what was restored; what was there goes to {aside}")
    else:
        done = subprocess.run(["sh", "-c", SWAP, "sh", "", state, restored, aside])
        if done.returncode != 0:
            fail("the folders cannot be renamed; nothing was changed")
        print(f"restored into {state}" + (f"; what was there is in {aside}" if os.path.exists(aside) else ""))


main()
