//! Two of what there can be only one of: the second is refused, the first is unharmed.

use std::process::Command;

use crate::common::{BRAMBLE, folder, until};
use crate::kit::{Manager, manager_command, refused};

#[test]
fn a_second_manager_is_refused_whatever_it_shares_and_the_first_works_on() {
    let (here, there) = (folder(), folder());
    let first = Manager::start(here.path());
    let worker = first.worker("pi-1", &here.path().join("pi-1"));
    until("pi-1 is up", || first.is_up("pi-1").then_some(()));
    let state = first.state.display().to_string();

    // The state folder, though everything else is its own.
    let (code, told) = refused(&mut manager_command(there.path(), &first.state, "127.0.0.1:0"));
    let sentence = format!("another manager uses {state}; stop it first, or give this one its own `state` folder");
    assert_eq!((code, told), (Some(1), format!("bramble: {sentence}")));
    // The port.
    let (code, told) = refused(&mut manager_command(there.path(), &there.path().join("state"), &first.ssh));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains(&format!("nodes cannot be served on {}: is another manager there", first.ssh)), "{told}");
    // The folder of the socket.
    let config = there.path().join("same-run.toml");
    let run = here.path().join("run");
    let text = format!("ssh = \"127.0.0.1:0\"\nstate = {:?}\nrun = {run:?}\n", there.path().join("state"));
    std::fs::write(&config, text).unwrap();
    let (code, told) = refused(Command::new(BRAMBLE).args(["manager", "--config"]).arg(&config));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("another manager answers at") && told.contains("its own `run` folder"), "{told}");

    // A second keeper on the folder of the first.
    let mut second = Command::new(BRAMBLE);
    second.args(["worker-agent", "run", "--name", "pi-1", "--manager", &first.ssh]);
    second.arg("--state").arg(&worker.state).arg("--run").arg(there.path().join("keeper.run"));
    let done = second.output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{told}");
    let pid = worker.child.id();
    assert!(
        told.contains(&format!("another worker (process {pid}) already uses")) && told.contains("--state"),
        "{told}"
    );

    let done = first.verb(&["run", "--wait", "--", "sh", "-c", "echo unharmed; exit 5"]);
    assert_eq!((done.status.code(), &done.stdout[..]), (Some(5), &b"unharmed\n"[..]));
    first.ends();
}
