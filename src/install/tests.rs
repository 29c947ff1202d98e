//! Whole installations, into folders that stand for a machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;

use super::*;

const TOKEN: &str = "bramble1-worker-abcdefghijklmnopqrst2345-abc-DEF_ghi0123456789abcdefghijklmnopqrstuv";

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: InstallArgs,
}

/// A machine that is installed on, and what a person reads meanwhile.
struct Image {
    root: tempfile::TempDir,
    program: tempfile::NamedTempFile,
}

impl Image {
    fn new() -> Self {
        let program = tempfile::NamedTempFile::new().unwrap();
        fs::write(program.path(), "\x7fELF, as far as anyone looks\n").unwrap();
        Self { root: tempfile::tempdir().unwrap(), program }
    }

    fn install(&self, line: &str) -> Result<String, Stop> {
        let (root, program) = (self.root.path().to_str().unwrap(), self.program.path().to_str().unwrap());
        let words = ["install"].into_iter().chain(line.split(' ')).chain(["--root", root, "--binary", program]);
        let mut out = vec![];
        install(Line::parse_from(words).args, "# lease = \"60s\"\n", &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn worker(&self) -> String {
        self.install(&format!("worker --yes --manager pi-0:2222 --join {TOKEN}")).unwrap()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.at(path)).unwrap().permissions().mode() & 0o7777
    }
}

#[test]
fn a_manager_gets_its_program_its_unit_its_config_and_its_folder() {
    let image = Image::new();
    let said = image.install("manager --yes").unwrap();
    assert_eq!(image.text("/usr/local/bin/bramble"), "\x7fELF, as far as anyone looks\n");
    assert_eq!(image.mode("/usr/local/bin/bramble"), 0o755);
    assert_eq!(image.text("/etc/bramble/manager.toml"), "# lease = \"60s\"\n");
    assert_eq!(image.mode("/var/lib/bramble"), 0o700);
    assert!(image.text("/etc/systemd/system/bramble-manager.service").contains("--config /etc/bramble/manager.toml"));
    let enabled = image.at("/etc/systemd/system/multi-user.target.wants/bramble-manager.service");
    assert_eq!(fs::read_link(enabled).unwrap(), Path::new("/etc/systemd/system/bramble-manager.service"));
    assert!(said.contains("write   /etc/systemd/system/bramble-manager.service  0644"), "{said}");
    assert!(said.contains("| ProtectSystem=strict"), "the unit is shown before it is written: {said}");
}

#[test]
fn a_worker_knows_its_manager_and_keeps_its_token_from_other_eyes() {
    let image = Image::new();
    let said =
        image.install(&format!("worker --yes --manager pi-0:2222 --join {TOKEN} --name pi-7 --slots 2")).unwrap();
    assert!(
        image.text("/etc/bramble/worker.env").contains("BRAMBLE_WORKER=--manager pi-0:2222 --name pi-7 --slots 2\n")
    );
    assert!(image.text("/etc/bramble/worker-join.env").contains(&format!("BRAMBLE_JOIN_TOKEN={TOKEN}\n")));
    assert_eq!(image.mode("/etc/bramble/worker-join.env"), 0o600);
    assert_eq!(image.mode("/var/lib/bramble-worker"), 0o711);
    assert!(!said.contains("abcdefghijklmnopqrst2345"), "the secret is not shown: {said}");
}

#[test]
fn a_worker_keeps_as_much_for_the_files_of_tasks_as_it_was_told_to() {
    let image = Image::new();
    let refused = image.install("worker --yes --cache-limit 2GiB").unwrap_err().to_string();
    assert!(refused.contains("--cache-limit are written together with --manager HOST"), "{refused}");
    image.install(&format!("worker --yes --manager pi-0 --join {TOKEN} --cache-limit 2GiB")).unwrap();
    let words = image.text("/etc/bramble/worker.env");
    assert!(words.contains("BRAMBLE_WORKER=--manager pi-0 --cache-limit 2147483648\n"), "{words}");
}

/// A machine that has the package, as `bramble install` of that package finds it.
fn packaged(image: &Image, line: &str) -> Result<String, Stop> {
    for unit in [unit::MANAGER, unit::WORKER] {
        let path = image.at("/usr/lib/systemd/system").join(unit.name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, unit.text.replace(binary::INSTALLED, binary::PACKAGED)).unwrap();
    }
    let disk = Disk::below(image.root.path())?;
    assert!(unit::are_packaged(&disk));
    let machine = Machine { disk, live: true, systemd: false, packaged: true };
    let (common, plan) = match Line::parse_from(["install"].into_iter().chain(line.split(' '))).args.role {
        Role::Manager { common } => (common.clone(), manager::plan(&machine, &common, "")?),
        Role::Worker { common, worker } => (common.clone(), worker::plan(&machine, &common, &worker)?),
    };
    let mut out = vec![];
    decide(&plan, &Common { root: Some("/".into()), ..common }, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn program_and_units_of_a_package_are_left_alone() {
    let image = Image::new();
    let said = packaged(&image, "manager --yes").unwrap();
    assert!(said.contains("keep    /usr/bin/bramble  (of the Debian package)"), "{said}");
    assert!(!image.at("/usr/local").exists() && !image.at("/etc/systemd/system/bramble-manager.service").exists());
    assert!(image.at("/etc/bramble/manager.toml").exists());
    let said = packaged(&image, &format!("worker --yes --manager pi-0 --join {TOKEN}")).unwrap();
    assert!(image.at("/etc/bramble/worker.env").exists() && said.contains("of the Debian package"), "{said}");
    assert!(!image.at("/usr/local").exists() && !image.at("/etc/systemd/system/bramble-worker.service").exists());
}

#[test]
fn a_package_takes_over_what_was_installed_by_hand_but_not_what_was_changed() {
    let image = Image::new();
    image.install("manager --yes").unwrap();
    let said = packaged(&image, "manager --yes").unwrap();
    for path in ["/usr/local/bin/bramble", "/etc/systemd/system/bramble-manager.service"] {
        assert!(!image.at(path).exists() && said.contains(&format!("done: remove  {path}")), "{said}");
    }
    let own = image.at("/etc/systemd/system/bramble-manager.service");
    fs::write(&own, "[Service]\nExecStart=/opt/mine\n").unwrap();
    let stop = packaged(&image, "manager --yes").unwrap_err();
    assert!(stop.to_string().contains("changed by hand"), "{stop}");
    assert!(own.exists());
    packaged(&image, "manager --yes --force").unwrap();
    assert!(!own.exists() && image.text("/etc/systemd/system/bramble-manager.service.old").contains("/opt/mine"));
}

#[test]
fn a_second_time_there_is_nothing_to_do() {
    let image = Image::new();
    image.worker();
    let said = image.worker();
    assert!(said.ends_with("nothing to do: everything is as it should be\n"), "{said}");
    let said = image.install("worker --yes").unwrap();
    assert!(said.ends_with("nothing to do: everything is as it should be\n"), "{said}");
}

#[test]
fn a_newer_program_replaces_the_old_one_and_nothing_else() {
    let image = Image::new();
    image.install("manager --yes").unwrap();
    fs::write(image.at("/etc/bramble/manager.toml"), "lease = \"30s\"\n").unwrap();
    fs::write(image.program.path(), "\x7fELF, a newer one\n").unwrap();
    let said = image.install("manager --yes").unwrap();
    assert_eq!(image.text("/usr/local/bin/bramble"), "\x7fELF, a newer one\n");
    assert_eq!(image.text("/etc/bramble/manager.toml"), "lease = \"30s\"\n");
    let done: Vec<&str> = said.lines().filter(|line| line.starts_with("done:")).collect();
    assert_eq!(done.len(), 1, "{said}");
}

#[test]
fn the_unit_of_an_older_bramble_is_replaced_unasked() {
    let image = Image::new();
    image.install("manager --yes").unwrap();
    let path = "/etc/systemd/system/bramble-manager.service";
    let ours = image.text(path);
    let older = unit::Unit { name: unit::MANAGER.name, text: "[Service]\nExecStart=/usr/local/bin/bramble manager\n" };
    fs::write(image.at(path), older.sealed()).unwrap();
    let said = image.install("manager --yes").unwrap();
    assert_eq!(image.text(path), ours);
    assert!(said.contains("another version of Bramble"), "{said}");
}

#[test]
fn a_unit_changed_by_hand_is_refused_with_what_to_do_and_replaced_only_with_force() {
    let image = Image::new();
    image.install("manager --yes").unwrap();
    let path = "/etc/systemd/system/bramble-manager.service";
    let changed = image.text(path).replace("RestartSec=1", "RestartSec=9");
    fs::write(image.at(path), &changed).unwrap();
    fs::write(image.program.path(), "\x7fELF, a newer one\n").unwrap();

    let stop = image.install("manager --yes").unwrap_err();
    assert_eq!(stop.code(), 3);
    assert!(stop.to_string().contains("systemctl edit bramble-manager.service"), "{stop}");
    assert_eq!(image.text(path), changed);
    assert_eq!(
        image.text("/usr/local/bin/bramble"),
        "\x7fELF, as far as anyone looks\n",
        "nothing else was written either"
    );

    image.install("manager --yes --force").unwrap();
    assert!(image.text(path).contains("RestartSec=1\n"));
    assert_eq!(image.text("/etc/systemd/system/bramble-manager.service.old"), changed);
}

#[test]
fn a_used_token_is_removed_once_the_worker_has_joined() {
    let image = Image::new();
    image.worker();
    fs::write(image.at("/var/lib/bramble-worker/manager.json"), "{}").unwrap();
    let said = image.install("worker --yes").unwrap();
    assert!(said.contains("remove  /etc/bramble/worker-join.env  (it was used"), "{said}");
    assert!(!image.at("/etc/bramble/worker-join.env").exists());
    let said = image.install("worker --yes").unwrap();
    assert!(said.ends_with("nothing to do: everything is as it should be\n"), "{said}");
}

#[test]
fn a_worker_may_be_told_the_host_alone_as_worker_agent_run_may() {
    let image = Image::new();
    for manager in ["pi-0", "fd00::2", "[fd00::2]:2222"] {
        image.install(&format!("worker --yes --manager {manager} --join {TOKEN}")).unwrap();
        assert!(image.text("/etc/bramble/worker.env").contains(&format!("BRAMBLE_WORKER=--manager {manager}\n")));
    }
}

#[test]
fn what_a_worker_needs_is_asked_for_in_one_sentence() {
    let image = Image::new();
    let cooler = TOKEN.replace("-worker-", "-cooler-");
    for (line, says) in [
        ("worker --yes".to_owned(), "bramble join-token"),
        ("worker --yes --manager pi-0:2222".to_owned(), "needs --join TOKEN"),
        (format!("worker --yes --manager [pi-0]:22 --join {TOKEN}"), "HOST:PORT"),
        (format!("worker --yes --manager pi-0:0 --join {TOKEN}"), "HOST:PORT"),
        (format!("worker --yes --manager pi-0:2222$(x) --join {TOKEN}"), "HOST:PORT"),
        (format!("worker --yes --manager pi-0$(x) --join {TOKEN}"), "no host name has"),
        ("worker --yes --manager pi-0:2222 --join nonsense".to_owned(), "not a join token"),
        ("worker --yes --manager pi-0:2222 --join @/no/such/file".to_owned(), "/no/such/file"),
        (format!("worker --yes --manager pi-0:2222 --join {cooler}"), "for a cooler"),
        ("worker --yes --name pi-7".to_owned(), "together with --manager"),
    ] {
        let stop = image.install(&line).unwrap_err();
        assert_eq!(stop.code(), 2, "{line}: {stop}");
        assert!(stop.to_string().contains(says), "{line}: {stop}");
    }
    assert_eq!(fs::read_dir(image.root.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn without_a_terminal_and_without_yes_it_only_shows() {
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        test_support::leave_out!("stdin is a terminal, which would be asked; run the tests with </dev/null");
    }
    let image = Image::new();
    let stop = image.install("manager").unwrap_err();
    assert_eq!(stop.code(), 3);
    assert!(stop.to_string().contains("--yes"), "{stop}");
    assert_eq!(fs::read_dir(image.root.path()).unwrap().count(), 0);
}

#[test]
fn systemd_accepts_both_units_without_a_word() {
    if !test_support::has_program("systemd-analyze") {
        test_support::leave_out!("systemd-analyze is not installed; on Debian: apt-get install systemd");
    }
    let image = Image::new();
    image.install("manager --yes").unwrap();
    image.worker();
    // The targets that every unit hangs on, which an empty image does not have.
    let targets = image.at("/usr/lib/systemd/system");
    fs::create_dir_all(&targets).unwrap();
    let own = ["/usr/lib/systemd/system", "/lib/systemd/system"].map(fs::read_dir).into_iter().flatten().next();
    for target in own.unwrap().flatten().filter(|file| file.file_name().to_string_lossy().ends_with(".target")) {
        fs::copy(target.path(), targets.join(target.file_name())).unwrap();
    }
    for unit in [unit::MANAGER.name, unit::WORKER.name] {
        let mut analyze = Command::new("systemd-analyze");
        let verified = analyze.arg("--root").arg(image.root.path()).args(["verify", unit]).output().unwrap();
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(verified.status.success() && said.is_empty(), "{unit}: {said}");
    }
}

#[test]
fn what_is_no_program_is_not_installed() {
    let image = Image::new();
    fs::write(image.program.path(), "root:x:0:0:root:/root:/bin/bash\n").unwrap();
    let stop = image.install("manager --yes").unwrap_err();
    assert!(stop.code() == 2 && stop.to_string().contains("no ELF file"), "{stop}");
    assert!(!image.at("/usr/local/bin/bramble").exists());
}

#[test]
fn an_image_is_not_asked_how_it_does() {
    for said in [Image::new().install("manager --yes").unwrap(), Image::new().worker()] {
        assert!(!said.contains("systemctl status") && said.contains("nothing was started here"), "{said}");
    }
}
