# A manager with a worker, as systemd would run them.
export MANAGER=$STAGE/state BRAMBLE_MANAGER=unix:///run/bramble/manager.sock
mkdir /run/bramble
printf 'name = "shelf"\nrun = "/run/bramble"\nssh = "127.0.0.1:2222"\nstate = "%s"\n' "$MANAGER" >"$STAGE/manager.toml"
cat >"$STAGE/bin/systemctl" <<'END'
#!/bin/bash
case $1 in
start) setsid "$BRAMBLE" manager --config "$STAGE/manager.toml" >>"$STAGE/manager.log" 2>&1 & echo $! >"$STAGE/manager.pid" ;;
stop) kill "$(<"$STAGE/manager.pid")"; tail --pid="$(<"$STAGE/manager.pid")" -f /dev/null ;;
esac
END
cat >"$STAGE/bin/systemd-run" <<'END'
#!/bin/bash
while [[ $1 == --* ]]; do shift; done
setsid "$@" </dev/null >>"$STAGE/systemd-run.log" 2>&1 &
END
chmod 755 "$STAGE"/bin/*
systemctl start
until_so "$BRAMBLE" node
token=$("$BRAMBLE" join-token --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')
setsid "$BRAMBLE" worker-agent run --state "$STAGE/worker" --manager 127.0.0.1:2222 --join "$token" --name pi-1 --slots 1 >"$STAGE/worker.log" 2>&1 &
is_up() { [[ $("$BRAMBLE" node --json | python3 -c 'import json, sys; print([n["state"] for n in json.load(sys.stdin) if n["name"] == "pi-1"])') == "['up']" ]]; }
until_so is_up

printf 'one\ntwo\n' | "$BRAMBLE" file put - --name data.txt
printf swordfish | "$BRAMBLE" secret set token
"$BRAMBLE" run --wait --file data.txt --secret token -- sh -c 'cat data.txt; echo left >out/result; head -c 100000 /dev/zero' >"$STAGE/printed"
# What it is: everything that was acknowledged, but for how long ago that was.
what_it_is() {
    # When a job ended is told by its last task where the manager was started anew since.
    "$BRAMBLE" job --json | sed -E 's/"ended_at":[0-9]+//g'
    "$BRAMBLE" task --json
    "$BRAMBLE" file ls --json
    "$BRAMBLE" secret ls --json
    "$BRAMBLE" result ls --json
    "$BRAMBLE" logs 1.0 2>/dev/null | sha256sum
    "$BRAMBLE" file cat data.txt | sha256sum
}
what_it_is >"$STAGE/before"

run backup state="$MANAGER" to="$STAGE/kept.tar" || fail "$said"
refused "there already" backup state="$MANAGER" to="$STAGE/kept.tar"
run backup state="$MANAGER" to="$STAGE/again.tar" || fail "$said"
[[ $(stat -c %a "$STAGE/kept.tar") == 600 ]] || fail "others can read the backup"
[[ -z $(find "$MANAGER" -maxdepth 1 -name '.backup-*') ]] || fail "it leaves something in the state folder"

# Much is changed since, and the last job is new.
"$BRAMBLE" secret rm token
"$BRAMBLE" file rm data.txt
"$BRAMBLE" job rm --yes 1
"$BRAMBLE" run --wait -- true

# Twice: the second time it is again what it was.
for time in once twice; do
    run restore state="$MANAGER" unit=bramble-manager archive="$STAGE/kept.tar" || fail "$said"
    [[ $said == *"started anew"* ]] || fail "$time: $said"
    is_again() { what_it_is >"$STAGE/after" 2>/dev/null && cmp -s "$STAGE/before" "$STAGE/after"; }
    until_so is_again
    # The worker comes back by itself: it knows this manager's key.
    until_so is_up
    [[ $("$BRAMBLE" run --wait -- echo hello) == hello ]] || fail "$time: it runs nothing"
done
(($(ls -d "$MANAGER".before-* | wc -l) >= 1)) || fail "what was there is gone"

# A backup that is not whole changes nothing.
head -c 20000 "$STAGE/kept.tar" >"$STAGE/torn.tar"
cp "$STAGE/kept.tar.sha256" "$STAGE/torn.tar.sha256"
refused "checksum" restore state="$MANAGER" unit=bramble-manager archive="$STAGE/torn.tar"
refused "name of a unit" restore state="$MANAGER" unit='x; y' archive="$STAGE/kept.tar"
"$BRAMBLE" node >/dev/null || fail "the manager is gone"
# Where no manager runs it is done at once.
systemctl stop
run restore state="$STAGE/elsewhere" unit=bramble-manager archive="$STAGE/kept.tar" || fail "$said"
[[ -f $STAGE/elsewhere/bramble.db && $(stat -c %a "$STAGE/elsewhere") == 700 ]] || fail "it is not there: $said"
