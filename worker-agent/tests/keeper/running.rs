//! Tasks run as they were ordered, and their ends are told as they were.

use std::os::fd::AsRawFd;

use protocol::job::{NotStarted, Outcome};
use protocol::keeper::{FromKeeper, ToKeeper};

use super::worker::*;

fn not_started(outcome: Outcome) -> (NotStarted, String) {
    match outcome {
        Outcome::NotStarted { kind, message } => (kind, message),
        other => panic!("it started: {other:?}"),
    }
}

#[test]
fn exit_codes_and_signals_are_the_programs_own() {
    let mut worker = Worker::start();
    let cases = [
        ("exit 0", Outcome::Exited(0)),
        ("exit 1", Outcome::Exited(1)),
        ("exit 255", Outcome::Exited(255)),
        ("kill -9 $$", Outcome::Signaled(9)),
        ("kill -15 $$", Outcome::Signaled(15)),
        ("kill -11 $$", Outcome::Signaled(11)),
    ];
    for (index, (script, outcome)) in cases.into_iter().enumerate() {
        let attempt = attempt(index as u32);
        worker.shell(attempt, script);
        let ended = worker.ended(attempt);
        assert_eq!(ended.outcome, outcome, "{script}");
        assert!(ended.started_at.is_some() && ended.ran_ms.is_some_and(|ran| ran < 20_000), "{ended:?}");
    }
}

#[test]
fn what_is_not_there_or_cannot_run_says_which_and_why() {
    let mut worker = Worker::start();
    let folder = worker.work(attempt(0));
    std::fs::create_dir_all(folder.join("folder")).unwrap();
    std::fs::write(folder.join("plain"), "#!/bin/sh\n").unwrap();
    write_script(&folder.join("good"), "exit 7");
    let make = |name: &str, text: &[u8]| {
        write_script(&folder.join(name), "");
        std::fs::write(folder.join(name), text).unwrap();
    };
    make("lost", b"#!/no/such/interpreter -x\necho never\n");
    make("windows", b"#!/bin/sh\r\necho never\r\n");
    make("junk", b"\x01\x02\x03\x04\x05\x06\x07\x08");
    let mut tell = |command: &str| {
        worker.spawn(attempt(0), &[command]);
        let outcome = worker.outcome(attempt(0));
        worker.say(&ToKeeper::Forget { attempts: vec![attempt(0)] });
        outcome
    };
    assert_eq!(tell("./good"), Outcome::Exited(7));
    let cases = [
        ("no-such-program", NotStarted::NotFound, "command not found: no-such-program"),
        ("./no-such-program", NotStarted::NotFound, "command not found: ./no-such-program"),
        ("/no/such/program", NotStarted::NotFound, "command not found: /no/such/program"),
        ("./plain/deeper", NotStarted::NotFound, "command not found: ./plain/deeper"),
        ("", NotStarted::NotFound, "the command is empty"),
        ("./lost", NotStarted::NotFound, "/no/such/interpreter is not on this node"),
        ("./windows", NotStarted::NotFound, "/bin/sh\\r is not on this node"),
        ("./plain", NotStarted::NotExecutable, "not executable: ./plain: permission denied; chmod +x"),
        ("./folder", NotStarted::NotExecutable, "not executable: ./folder: it is a folder"),
        ("./junk", NotStarted::NotExecutable, "not executable: ./junk: neither a program for this kind of machine"),
        ("a\0b", NotStarted::Fault, "zero byte"),
    ];
    for (command, kind, sentence) in cases {
        let (told, message) = not_started(tell(command));
        assert_eq!(told, kind, "{command}: {message}");
        assert!(message.contains(sentence), "{message}");
    }
}

#[test]
fn without_its_folder_or_its_output_a_task_does_not_start() {
    let mut worker = Worker::start();
    let order = worker.order(attempt(0), &["true"]);
    std::fs::remove_dir(worker.work(attempt(0))).unwrap();
    worker.say(&ToKeeper::Spawn(order));
    let (kind, message) = not_started(worker.outcome(attempt(0)));
    assert_eq!(kind, NotStarted::Fault);
    assert!(message.contains("work folder") && message.contains("1.0#1"), "{message}");

    std::fs::create_dir(worker.output_path(attempt(1), "err")).unwrap();
    worker.spawn(attempt(1), &["true"]);
    let (kind, message) = not_started(worker.outcome(attempt(1)));
    assert_eq!(kind, NotStarted::Fault);
    assert!(message.contains("1.1#1.err") && message.contains("is a directory"), "{message}");
}

#[test]
fn the_program_is_looked_for_on_the_path_of_the_task() {
    let mut worker = Worker::start();
    let bin = worker.file("bin");
    std::fs::create_dir(&bin).unwrap();
    write_script(&bin.join("only-here"), "echo \"$0\" \"$@\"");
    let mut order = worker.order(attempt(0), &["only-here", "a b", "", "*"]);
    order.env[0] = format!("PATH=/no/such/folder:{}:/bin:/usr/bin", bin.display());
    worker.say(&ToKeeper::Spawn(order));
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(0));
    assert_eq!(worker.output(attempt(0), "out"), format!("{}/only-here a b  *\n", bin.display()));

    std::fs::write(bin.join("only-here"), "").unwrap();
    std::fs::set_permissions(bin.join("only-here"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mut order = worker.order(attempt(1), &["only-here"]);
    order.env[0] = format!("PATH={}:/bin:/usr/bin", bin.display());
    worker.say(&ToKeeper::Spawn(order));
    assert_eq!(not_started(worker.outcome(attempt(1))).0, NotStarted::NotExecutable);
}

#[test]
fn the_environment_is_exactly_what_was_given_and_whose_task_it_is() {
    let mut worker = Worker::start();
    let mut order = worker.order(attempt(0), &["env"]);
    order.env.extend(["EMPTY=".into(), "ODD= a=b 'c' ü".into()]);
    let mut expected = order.env.clone();
    expected.push(format!("BRAMBLE_WORKER={}", worker.state().display()));
    expected.sort();
    worker.say(&ToKeeper::Spawn(order));
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(0));
    let printed = worker.output(attempt(0), "out");
    let mut printed: Vec<&str> = printed.lines().collect();
    printed.sort();
    assert_eq!(printed, expected);
}

#[test]
fn it_starts_in_its_own_folder_with_an_empty_input() {
    let mut worker = Worker::start();
    let (outcome, out, err) = worker.run(attempt(0), &["sh", "-c", "pwd; cat; umask; echo to stderr >&2"]);
    assert_eq!(outcome, Outcome::Exited(0));
    assert_eq!(out, format!("{}\n0022\n", worker.work(attempt(0)).display()));
    assert_eq!(err, "to stderr\n");
}

#[test]
fn nothing_the_keeper_has_open_reaches_a_task() {
    let mut worker = Worker::prepare(Mode::Usual);
    // Nor what whoever started the keeper left open.
    let careless = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&careless, rustix::io::FdFlags::empty()).unwrap();
    worker.start_keeper();
    assert!(std::fs::exists(format!("/proc/{}/fd/{}", worker.keeper_pid(), careless.as_raw_fd())).unwrap());
    // 3 is the folder that ls itself reads.
    let (_, out, err) = worker.run(attempt(0), &["ls", "/proc/self/fd"]);
    assert_eq!((out.as_str(), err.as_str()), ("0\n1\n2\n3\n", ""));
}

#[test]
fn a_task_leads_its_own_session_and_no_signal_is_blocked_or_ignored() {
    let mut worker = Worker::prepare(Mode::Usual);
    worker.start_keeper_with(|command| {
        use std::os::unix::process::CommandExt;
        // As under nohup.
        let ignore = || {
            // SAFETY: system calls on numbers.
            unsafe {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                libc::signal(libc::SIGUSR1, libc::SIG_IGN);
            }
            Ok(())
        };
        // SAFETY: only system calls.
        unsafe { command.pre_exec(ignore) };
    });
    let (_, out, _) = worker.run(attempt(0), &["cat", "/proc/self/status", "/proc/self/stat"]);
    let field = |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    for mask in ["SigBlk:", "SigIgn:", "SigCgt:"] {
        assert_eq!(field(mask), "0000000000000000", "{mask}");
    }
    let stat: Vec<&str> = out.lines().last().unwrap().split(' ').collect();
    assert_eq!((stat[4], stat[5]), (stat[0], stat[0]), "group and session are its own");
}

#[test]
fn a_task_has_the_uid_of_its_person_no_groups_and_no_way_to_more() {
    if !is_root() {
        test_support::leave_out!("giving tasks a uid of their own needs root");
    }
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let mut order =
            worker.order(attempt(0), &["sh", "-c", "cat /proc/self/status; echo again >/dev/stderr; touch mine"]);
        std::os::unix::fs::chown(worker.work(attempt(0)), Some(1_900_000_007), Some(1_900_000_007)).unwrap();
        order.uid = Some(1_900_000_007);
        worker.say(&ToKeeper::Spawn(order));
        assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(0), "{}", worker.output(attempt(0), "err"));
        let out = worker.output(attempt(0), "out");
        let field = |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        for ids in ["Uid:", "Gid:"] {
            assert_eq!(field(ids), ["1900000007"; 4].join("\t"));
        }
        assert_eq!(field("Groups:"), "");
        assert_eq!(field("NoNewPrivs:"), "1");
        assert_eq!(field("CapEff:"), "0000000000000000");
        // Its own output can be opened once more by its name, as scripts do.
        assert_eq!(worker.output(attempt(0), "err"), "again\n");
    }
}

#[test]
fn a_folder_of_the_path_that_may_not_be_looked_into_hides_no_reason() {
    let mut worker = Worker::start();
    let closed = worker.file("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let mut order = worker.order(attempt(0), &["no-such-program"]);
    order.env[0] = format!("PATH={}:/bin", closed.display());
    // Root may look everywhere; a task of a person may not.
    order.uid = is_root().then_some(1_900_000_007);
    std::fs::set_permissions(worker.work(attempt(0)), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    worker.say(&ToKeeper::Spawn(order));
    let (kind, message) = not_started(worker.outcome(attempt(0)));
    assert_eq!((kind, message.as_str()), (NotStarted::NotFound, "command not found: no-such-program"));
}

#[test]
fn no_number_of_an_order_makes_a_task_run_as_root() {
    let mut worker = Worker::start();
    for uid in [0, u32::MAX] {
        let mut order = worker.order(attempt(uid), &["true"]);
        order.uid = Some(uid);
        worker.say(&ToKeeper::Spawn(order));
        let (kind, message) = not_started(worker.outcome(attempt(uid)));
        assert_eq!((kind, message), (NotStarted::Fault, format!("no task runs as uid {uid}")));
    }
}

#[test]
fn a_uid_that_cannot_be_taken_is_a_fault_and_not_a_task_under_the_wrong_one() {
    let mut worker = Worker::prepare(Mode::Usual);
    worker.start_keeper_with(|command| {
        use std::os::unix::process::CommandExt;
        const SETGID_AND_SETUID: [libc::c_ulong; 2] = [6, 7];
        let give_up = || {
            for capability in SETGID_AND_SETUID {
                // Whoever is not root never had it.
                // SAFETY: a system call on numbers.
                unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
            }
            Ok(())
        };
        // SAFETY: only system calls.
        unsafe { command.pre_exec(give_up) };
    });
    let mut order = worker.order(attempt(0), &["true"]);
    order.uid = Some(1_900_000_007);
    worker.say(&ToKeeper::Spawn(order));
    let (kind, message) = not_started(worker.outcome(attempt(0)));
    assert_eq!(kind, NotStarted::Fault);
    assert!(message.contains("has to run as root"), "{message}");
}

#[test]
fn the_oom_killer_treats_a_task_as_any_process_however_the_keeper_is_treated() {
    let mut worker = Worker::prepare(Mode::Usual);
    worker.start_keeper_with(|command| {
        use std::os::unix::process::CommandExt;
        // SAFETY: this child has one thread.
        unsafe { command.pre_exec(|| std::fs::write("/proc/self/oom_score_adj", "300")) };
    });
    let score = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", worker.keeper_pid())).unwrap();
    assert_ne!(score, "0\n");
    let (_, out, _) = worker.run(attempt(0), &["cat", "/proc/self/oom_score_adj"]);
    assert_eq!(out, "0\n");
}

#[test]
fn output_goes_to_its_files_whole_and_at_their_end() {
    let mut worker = Worker::start();
    let script = "head -c 5000000 /dev/zero | tr '\\0' x; printf '\\377\\000\\n'; (echo from a child); head -c 100000 /dev/zero >&2";
    worker.shell(attempt(0), script);
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(0));
    let out = std::fs::read(worker.output_path(attempt(0), "out")).unwrap();
    assert_eq!(out.len(), 5_000_000 + 3 + 13);
    assert!(out.ends_with(b"x\xff\x00\nfrom a child\n"));
    assert_eq!(std::fs::metadata(worker.output_path(attempt(0), "err")).unwrap().len(), 100_000);
    let (_, out, _) = worker.run(attempt(1), &["sh", "-c", "sed -n 's/flags:.//p' /proc/self/fdinfo/1"]);
    let flags = i32::from_str_radix(out.trim(), 8).unwrap();
    assert_ne!(flags & libc::O_APPEND, 0, "{out}");
}

#[test]
fn an_order_that_is_repeated_is_answered_with_what_is_known_and_not_run_again() {
    let mut worker = Worker::start();
    let order = worker.order(attempt(0), &["sh", "-c", "echo once; read line <fifo"]);
    let fifo = worker.work(attempt(0)).join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    worker.say(&ToKeeper::Spawn(order.clone()));
    let started = |message: &FromKeeper| matches!(message, FromKeeper::Started { .. }).then(|| message.clone());
    let first = worker.hear_until(started);
    worker.lines(attempt(0), 1);
    worker.say(&ToKeeper::Spawn(order.clone()));
    assert_eq!(worker.hear_until(started), first);
    std::fs::write(&fifo, "go\n").unwrap();
    let ended = worker.ended(attempt(0));
    worker.say(&ToKeeper::Spawn(order));
    assert_eq!(worker.ended(attempt(0)), ended);
    assert_eq!(worker.output(attempt(0), "out"), "once\n");
}
