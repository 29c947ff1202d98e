//! As whom a log-in lets things be done, and what a log-in prints of itself.

use protocol::bytes::Blob;
use protocol::job::Outcome;
use protocol::run::RunAs;

use crate::asking::{Asks, spec};
use crate::common::{Demo, folder};
use crate::machine::{Machine, missing};

#[test]
fn root_by_sudo_where_it_is_let_and_a_sentence_where_not() {
    if missing() {
        return;
    }
    let (here, machine) = (folder(), Machine::start());
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "1"]);
    for (node, user) in [("pi-5", "pi"), ("pi-6", "po"), ("pi-7", "loud"), ("pi-9", "root")] {
        demo.add(node, &machine.place(user));
    }
    for node in ["pi-5", "pi-7", "pi-9"] {
        let told = demo.on(node, &["sh", "-c", "id -u; echo $HOME; pwd"]);
        assert_eq!((told.stdout().as_str(), told.stderr().as_str()), ("0\n/root\n/root\n", ""), "{node}: {told:?}");
    }
    let why = demo.on("pi-6", &["touch", "/nothing-may-happen"]).message();
    assert!(why.contains("po may not become root on pi-6") && why.contains("NOPASSWD"), "{why}");

    // A person's own user, nothing else, and no way back.
    let command = ["sh", "-c", "id -u; id -G; pwd; sudo -n id 2>/dev/null || echo no; cat"];
    let mut me = spec(&["pi-5", "pi-9"], RunAs::Me, &command);
    me.stdin = Blob(b"stdin".to_vec());
    for (node, told) in demo.run(me) {
        let text = told.stdout();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].parse::<u32>().unwrap() >= 1_900_000_000, "{node}: {lines:?}");
        assert_eq!((lines[1], &lines[2..]), (lines[0], &["/", "no", "stdin"][..]), "{node}");
    }
    demo.quit();
}

#[test]
fn what_a_log_in_prints_is_no_output_of_what_is_run() {
    if missing() {
        return;
    }
    let (here, machine) = (folder(), Machine::start());
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "1"]);
    demo.add("pi-7", &machine.place("loud"));
    let told = demo.on("pi-7", &["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((told.stdout().as_str(), told.stderr().as_str()), ("out\n", "err\n"));

    // One that lets nobody run anything says so, and is not taken for an answer.
    std::fs::write(machine.home("loud").join(".bashrc"), "echo go away; exit 3\n").unwrap();
    let why = demo.on("pi-7", &["true"]).message();
    assert!(why.contains("go away") && why.contains("pi-7"), "{why}");
    std::fs::write(machine.home("loud").join(".bashrc"), "yes 'I print without end' | head -c 3000000\n").unwrap();
    let told = demo.on("pi-7", &["echo", "here"]);
    assert_eq!((told.outcome(), told.stdout().as_str()), (&Outcome::Exited(0), "here\n"));
    demo.quit();
}
