//! How a node without an agent is added, and what is not let in.

use std::os::unix::fs::PermissionsExt;

use crate::asking::Asks;
use crate::common::{Demo, folder, said};
use crate::machine::{Machine, missing};

#[test]
fn a_node_is_added_by_password_once_and_by_key_from_then_on() {
    if missing() {
        return;
    }
    let (here, mut machine) = (folder(), Machine::start());
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "1"]);
    let place = machine.place("pi");
    let words = ["node", "add", "pi-9", &place];

    let unasked = demo.fed(&words, "");
    assert_eq!(unasked.status.code(), Some(2), "{}", said(&unasked));
    assert!(said(&unasked).contains("--host-key") && said(&unasked).contains("--yes"));

    let no_password = demo.fed(&[&words[..], &["--yes"]].concat(), "");
    assert_eq!(no_password.status.code(), Some(3));
    assert!(
        said(&no_password).contains("~pi/.ssh/authorized_keys") && said(&no_password).contains("restrict ssh-ed25519 ")
    );

    let wrong = demo.fed(&[&words[..], &["--yes", "--password-stdin"]].concat(), "blackberry\n");
    assert_eq!(wrong.status.code(), Some(3));
    assert!(said(&wrong).contains("does not take this password of pi"), "{}", said(&wrong));

    let other = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let not_it = demo.fed(&[&words[..], &["--host-key", other]].concat(), "");
    assert!(said(&not_it).contains(other) && said(&not_it).contains(&machine.host_key()), "{}", said(&not_it));
    assert!(!machine.home("pi").join(".ssh").exists(), "nothing was done there");

    let key = machine.host_key();
    let by_password = demo.fed(&[&words[..], &["--host-key", &key, "--password-stdin"]].concat(), "raspberry\n");
    assert!(by_password.status.success(), "{}", said(&by_password));
    assert!(said(&by_password).contains("pi-9: added, reachable"), "{}", said(&by_password));
    let keys = machine.home("pi").join(".ssh/authorized_keys");
    let left = std::fs::read_to_string(&keys).unwrap();
    assert_eq!(left.lines().count(), 1);
    assert_eq!(std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);

    // Without a password, as often as one likes.
    let again = demo.fed(&[&words[..], &["--yes"]].concat(), "");
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(std::fs::read_to_string(&keys).unwrap(), left);
    let node = demo.json(&["--json", "node", "pi-9"]);
    assert_eq!((&node["state"], &node["ssh"]["user"]), (&"reachable".into(), &"pi".into()));
    assert_eq!(node["ssh"]["host_key"], machine.host_key());

    // Another machine in its place is told nothing, until somebody says that it is right.
    machine.change_host_key();
    let changed = demo.on("pi-9", &["true"]).message();
    assert!(changed.contains(&key) && changed.contains(&machine.host_key()), "{changed}");
    assert!(changed.contains(&format!("bramble node add pi-9 {place}")), "{changed}");
    let approved = demo.fed(&[&words[..], &["--host-key", &machine.host_key()]].concat(), "");
    assert!(approved.status.success(), "{}", said(&approved));
    assert_eq!(demo.on("pi-9", &["echo", "hello"]).stdout(), "hello\n");

    // Whom the key was taken from.
    std::fs::remove_file(&keys).unwrap();
    let out = demo.on("pi-9", &["true"]).message();
    assert!(out.contains("pi-9 does not let the manager in as pi") && out.contains("restrict ssh-ed25519"), "{out}");

    for _ in 0..2 {
        demo.verb(&["node", "rm", "pi-9"]);
    }
    assert_eq!(demo.json(&["--json", "node"]).as_array().unwrap().len(), 2, "the manager and its worker");
    demo.quit();
}

#[test]
fn a_machine_that_takes_no_passwords_is_added_when_the_line_was_pasted() {
    if missing() {
        return;
    }
    let (here, machine) = (folder(), Machine::with("PasswordAuthentication no\nKbdInteractiveAuthentication no"));
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "1"]);
    let words = ["node", "add", "pi-9", &machine.place("root"), "--yes"];
    let told = said(&demo.fed(&words, ""));
    assert!(told.contains("takes no passwords"), "{told}");
    let line = &told[told.find("restrict ").unwrap()..];
    let line = line.lines().next().unwrap();
    let ssh = machine.home("root").join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    std::fs::write(ssh.join("authorized_keys"), format!("{line}\n")).unwrap();
    let added = demo.fed(&words, "");
    assert!(added.status.success(), "{}", said(&added));
    assert_eq!(demo.on("pi-9", &["id", "-u"]).stdout(), "0\n");
    demo.quit();
}

#[test]
fn where_nothing_answers_nothing_is_added() {
    if missing() {
        return;
    }
    let here = folder();
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "1"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = demo.fed(&["node", "add", "pi-9", &format!("127.0.0.1:{port}"), "--yes"], "");
    assert_eq!(nobody.status.code(), Some(3));
    assert!(said(&nobody).contains("cannot reach 127.0.0.1"), "{}", said(&nobody));
    demo.quit();
}
