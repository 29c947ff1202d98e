//! What jobs are given: it is in the folder of each task, on whatever node, however often the way there breaks, and
//! whatever has become of its name meanwhile.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::common::{said, until};
use crate::kit::Worker;
use crate::place::Place;

/// A manager with a worker that is up.
fn with_worker(name: &str) -> (Place, Worker) {
    let place = Place::new();
    let worker = place.worker(name);
    (place, worker)
}

fn ran(place: &Place, words: &[&str]) -> Output {
    let mut all = vec!["run", "--wait"];
    all.extend(words);
    place.manager().verb(&all)
}

/// What a job prints that ends well.
fn printed(place: &Place, words: &[&str]) -> String {
    let done = ran(place, words);
    assert!(done.status.success(), "{words:?}: {}", said(&done));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_task_finds_what_it_was_given_in_its_folder() {
    let (place, _worker) = with_worker("pi-1");
    let data = place.write("data set\n1", 300_000);
    std::fs::write(place.path("tool"), "#!/bin/sh\nwc -c < \"$1\"\n").unwrap();
    std::fs::set_permissions(place.path("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(place.path("tree/deep")).unwrap();
    std::fs::write(place.path("tree/deep/leaf"), "green").unwrap();
    for name in ["data set\n1", "tool", "tree"] {
        place.does(&["put", name]);
    }
    let given = ["--file", "data set\n1=input", "--file", "tool", "--file", "tree", "--"];
    let runs = |command: &[&str]| printed(&place, &[&given, command].concat());
    assert_eq!(runs(&["./tool", "input"]).trim(), data.len().to_string());
    assert_eq!(runs(&["cat", "tree/deep/leaf"]), "green");
    assert_eq!(runs(&["ls"]), "input\nout\ntool\ntree\n");
    // Read-only: the next task is given the same bytes, whatever this one tries.
    ran(&place, &[&given[..], &["sh", "-c", "chmod u+w input; echo x >> input; rm -f input; echo y > input"]].concat());
    assert!(ran(&place, &[&given[..], &["cat", "input"]].concat()).stdout == data);
    // What it may change is its own.
    let own = ["--writable-file", "data set\n1=input", "--", "sh", "-c", "echo more >> input; wc -c < input"];
    for _ in 0..2 {
        assert_eq!(printed(&place, &own).trim(), (data.len() + 5).to_string());
    }
}

#[test]
fn what_is_missing_is_refused_before_anything_runs() {
    let (place, _worker) = with_worker("pi-1");
    let refused = ran(&place, &["--file", "data.csv", "--", "true"]);
    assert_ne!(refused.status.code(), Some(0));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("data.csv") && told.contains("bramble file put"), "{told}");
}

#[test]
fn a_job_keeps_what_it_was_given_whatever_becomes_of_the_name() {
    let mut place = Place::new();
    let old = place.write("data", 100_000);
    place.does(&["put", "data"]);
    for command in [&["--file", "data", "--", "cat", "data"][..], &["--file", "data=other", "--", "cat", "other"]] {
        let submitted = place.manager().verb(&[&["run"], command].concat());
        assert!(submitted.status.success(), "{}", said(&submitted));
    }
    place.write("data", 50_000);
    place.does(&["put", "data"]);
    place.does(&["rm", "data"]);
    place.kill();
    place.start();
    let _worker = place.worker("pi-1");
    for job in ["1", "2"] {
        let done = place.manager().verb(&["wait", job]);
        assert!(done.status.success(), "{}", said(&done));
        assert_eq!(place.manager().verb(&["logs", job]).stdout, old);
    }
    assert_eq!(place.contents().len(), 1, "nobody has the newer one any more");
}

#[test]
fn a_data_set_on_its_way_to_a_node_survives_the_death_of_the_manager() {
    let mut place = Place::new();
    let worker = place.worker("pi-1");
    let data = place.write("data", 200 << 20);
    place.does(&["put", "data"]);
    let script = "tail -c 1000 data";
    let array = ["run", "--array", "0-3", "--file", "data", "--", "sh", "-c", script];
    let submitted = place.manager().verb(&array);
    assert!(submitted.status.success(), "{}", said(&submitted));
    // Its neighbours do not wait for it.
    assert_eq!(printed(&place, &["--", "echo", "meanwhile"]), "meanwhile\n");
    let part = || {
        let cached = std::fs::read_dir(worker.state.join("cache")).unwrap().map(|found| found.unwrap());
        cached.filter(|found| found.file_name().to_string_lossy().ends_with(".part")).find_map(|found| {
            let length = found.metadata().ok()?.len();
            (length > 4 << 20).then_some(length)
        })
    };
    until("some of it is there", part);
    place.kill_and_keep_the_port();
    let came = part().expect("it was still on its way");
    place.start();
    let done = place.manager().verb(&["wait", "1"]);
    assert!(done.status.success(), "{}", said(&done));
    for task in ["1.0", "1.3"] {
        assert_eq!(place.manager().verb(&["logs", task]).stdout, data[data.len() - 1000..]);
    }
    assert!(came < data.len() as u64, "{came}");
}
