//! A machine that dies in the middle: in a network of its own, whose cable is pulled.

use std::process::Command;
use std::time::{Duration, Instant};

use protocol::job::Outcome;
use protocol::run::RunAs;

use crate::asking::{Asks, spec};
use crate::common::{Demo, folder, signal_pid, until};
use crate::machine::{Machine, missing};
use rustix::process::Signal;

/// A network namespace at the other end of a cable; gone when dropped.
struct Cable(String);

impl Cable {
    fn lay() -> Option<Cable> {
        let id = std::process::id() % 10_000;
        let cable = Cable(format!("bt{id}"));
        let (ns, here, there) = (&cable.0, format!("bt{id}h"), format!("bt{id}t"));
        let laid = ip(&["netns", "add", ns])
            && ip(&["link", "add", &here, "type", "veth", "peer", "name", &there, "netns", ns])
            && ip(&["addr", "add", "198.18.77.1/30", "dev", &here])
            && ip(&["link", "set", &here, "up"])
            && ip(&["-n", ns, "addr", "add", "198.18.77.2/30", "dev", &there])
            && ip(&["-n", ns, "link", "set", &there, "up"]);
        if !laid {
            eprintln!("not tested here: it needs iproute2 and network namespaces");
        }
        laid.then_some(cable)
    }

    /// Nothing says so to either end of a connection.
    fn pull(&self) {
        assert!(ip(&["-n", &self.0, "link", "set", &format!("{}t", self.0), "down"]));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // What still runs there would keep it, and the cable.
        let inside = Command::new("ip").args(["netns", "pids", &self.0]).output();
        let inside = inside.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
        for pid in inside.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            signal_pid(pid, Signal::KILL);
        }
        ip(&["link", "del", &format!("{}h", self.0)]);
        ip(&["netns", "del", &self.0]);
    }
}

fn ip(words: &[&str]) -> bool {
    Command::new("ip").args(words).status().is_ok_and(|status| status.success())
}

#[test]
fn a_node_that_dies_in_the_middle_is_noticed_soon_and_its_answer_is_lost() {
    if missing() {
        return;
    }
    let Some(cable) = Cable::lay() else { return };
    let here = folder();
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "1"]);
    let machine = Machine::at("198.18.77.2", 2200, &["ip", "netns", "exec", &cable.0], "");
    demo.add("pi-9", &machine.place("root"));
    let run = demo.begin(spec(&["pi-9", "manager"], RunAs::Root, &["sh", "-c", "echo begun; [ -t 0 ] || sleep 2"]));
    assert_eq!(demo.follow(run, |_| {})["pi-9"].outcome(), &Outcome::Exited(0));

    let run = demo.begin(spec(&["pi-9"], RunAs::Root, &["sh", "-c", "echo begun; sleep 3600"]));
    let mut pulled = None;
    let told = demo.follow(run, |so_far| {
        if pulled.is_none() && so_far["pi-9"].stdout == b"begun\n" {
            cable.pull();
            pulled = Some(Instant::now());
        }
    });
    let took = pulled.unwrap().elapsed();
    assert!(took < Duration::from_secs(40), "noticed after {took:?}");
    let why = told["pi-9"].message();
    assert!(why.contains("the connection to pi-9 broke while it ran"), "{why}");

    until("it is known to be down", || (demo.json(&["--json", "node", "pi-9"])["state"] == "down").then_some(()));
    let asked = Instant::now();
    let why = demo.on("pi-9", &["true"]).message();
    assert_eq!(why, "pi-9 is down");
    assert!(asked.elapsed() < Duration::from_secs(5), "it is not waited for");
    demo.quit();
}
