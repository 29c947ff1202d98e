//! The stage: which daemons there are, how they are set up, and how all of it is cleared again.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use protocol::api::{JobQuery, More, Reply, Request};
use protocol::id::Target;
use protocol::name::NodeName;
use protocol::node::{NodeState, Role};
use tokio::time::timeout;

use super::board::Boards;
use super::daemon::{self, Daemon, ENDED, Recipe};
use super::folders::Folders;
use crate::client::{Client, ManagerAddress};

/// Everything on this machine is up in a second or two; much later it never will be.
const PATIENCE: Duration = Duration::from_secs(60);
/// For a worker that was killed to be started again and to listen.
const RETURN: Duration = Duration::from_secs(5);
/// A demo is quit quickly: its tasks get less time than on real machines.
const GRACE: Duration = Duration::from_secs(2);

pub struct Stage {
    pub folders: Folders,
    names: Vec<NodeName>,
    /// What workers dial instead of the manager, the first the first; those beyond it dial the manager.
    dial: Vec<String>,
    manager: Option<Daemon>,
    workers: Vec<(NodeName, Daemon)>,
    boards: Option<Boards>,
    client: Option<Client>,
}

impl Stage {
    pub fn new(folders: Folders, nodes: u32, dial: Vec<String>) -> Self {
        let names = (1..=nodes).map(|n| format!("pi-{n}").parse().expect("letters, a dash and digits are a name"));
        Self { names: names.collect(), folders, dial, manager: None, workers: vec![], boards: None, client: None }
    }

    /// Starts or adopts everything; returns when every worker is up.
    pub async fn set(&mut self) -> anyhow::Result<Client> {
        write_config(&self.folders)?;
        self.manager = Some(Daemon::start(Recipe {
            name: "the manager".into(),
            arguments: words(["manager", "--config"], &self.folders.config()),
            secret: None,
            log: self.folders.log("manager"),
            socket: self.folders.socket(),
        })?);
        let client = timeout(PATIENCE, self.connect()).await;
        let client = client.map_err(|_| self.silent("the manager", "manager"))?;
        self.client = Some(client.clone());
        self.boards = Some(Boards::start(&self.folders, &self.names)?);
        let manager = self.manager_address(&client).await?;
        for (n, name) in self.names.clone().into_iter().enumerate() {
            let joined = self.folders.worker(name.as_str()).join("manager.json").exists();
            let token = if joined { None } else { Some(join_token(&client).await?) };
            let worker = self.worker(&name, self.dial.get(n).unwrap_or(&manager).clone(), token)?;
            self.workers.push((name, worker));
        }
        let missing = timeout(PATIENCE, all_up(&client, &self.names)).await;
        match missing {
            Ok(up) => up?,
            Err(_) => bail!(self.silent("a worker", "pi-1")),
        }
        Ok(client)
    }

    fn silent(&self, who: &str, log: &str) -> anyhow::Error {
        anyhow::anyhow!(
            "{who} did not come up within {PATIENCE:?}; it may say why in {}",
            self.folders.log(log).display()
        )
    }

    async fn connect(&self) -> Client {
        let address = ManagerAddress::Unix(self.folders.socket());
        loop {
            if let Ok(client) = Client::connect(&address).await {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn manager_address(&self, client: &Client) -> anyhow::Result<String> {
        match client.call(Request::Hello { protocol: protocol::PROTOCOL }).await? {
            Reply::Hello(hello) => Ok(hello.ssh),
            other => bail!("the manager answered something else than hello: {other:?}"),
        }
    }

    fn worker(&self, name: &NodeName, manager: String, token: Option<String>) -> anyhow::Result<Daemon> {
        let mut arguments =
            words(["worker-agent", "run", "--refuse-reboot", "--state"], &self.folders.worker(name.as_str()));
        arguments.extend(words(["--run"], &self.folders.worker_run(name.as_str())));
        arguments.extend(words(["--sysfs-root"], &self.folders.board(name.as_str())));
        arguments.extend(["--name".into(), name.to_string(), "--manager".into(), manager]);
        Daemon::start(Recipe {
            name: name.to_string(),
            arguments,
            secret: token.map(|token| (worker_agent::cli::JOIN_TOKEN, token)),
            log: self.folders.log(name.as_str()),
            socket: self.folders.worker_run(name.as_str()).join("keeper.sock"),
        })
    }

    /// What `--headless` prints.
    pub async fn line(&self) -> anyhow::Result<serde_json::Value> {
        let client = self.client.as_ref().context("there is no manager yet")?;
        Ok(serde_json::json!({
            "socket": self.folders.socket(),
            "ssh": self.manager_address(client).await?,
            "state": self.folders.state,
            "nodes": self.names,
        }))
    }

    /// Stops the tasks, then ends workers and manager. Whatever was set up so far, nothing is left behind.
    pub async fn clear(mut self) -> anyhow::Result<()> {
        let mut failed = None;
        if self.client.take().is_some() && timeout(GRACE + Duration::from_secs(3), self.stop_jobs()).await.is_err() {
            // What waits in the queue would start with the next demo.
            let late = "the manager did not stop all jobs in time; the next demo goes on with what waits";
            failed = Some(anyhow::anyhow!(late));
        }
        drop(self.boards.take());
        // What the manager could not reach, the keepers end.
        for (name, worker) in &self.workers {
            if let Err(error) = self.end_worker(name, worker).await {
                failed.get_or_insert(error);
            }
        }
        for (_, worker) in self.workers {
            worker.end().await;
        }
        // Those of a killed demo with more workers, or that this one was interrupted before it came to: they have
        // worked on until now.
        let left = |end: &dyn Fn() -> anyhow::Result<()>| tokio::task::block_in_place(end);
        failed = failed.or(left(&|| daemon::end_left_workers(&self.folders, GRACE)).err());
        if let Some(manager) = self.manager {
            manager.end().await;
        }
        failed = failed.or(left(&|| daemon::end_left_manager(&self.folders)).err());
        match failed {
            Some(error) => Err(error),
            None => self.folders.clear_run(),
        }
    }

    /// By a connection of its own: the manager may have died and come back since the first.
    async fn stop_jobs(&self) {
        while let Err(error) = stop_jobs(&self.connect().await).await {
            tracing::warn!("the jobs are not stopped yet: {error:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A keeper that has only just been started is waited for: it may have found tasks of an earlier demo. So is one
    /// that was killed: only the next one can end its tasks.
    async fn end_worker(&self, name: &NodeName, worker: &Daemon) -> anyhow::Result<()> {
        let listens = async {
            let socket = self.folders.worker_run(name.as_str()).join("keeper.sock");
            while std::os::unix::net::UnixStream::connect(&socket).is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // One that never listens is ended by signals.
        let _ = timeout(RETURN, listens).await;
        worker.retire();
        tokio::task::block_in_place(|| daemon::end_worker(&self.folders, name.as_str(), GRACE))
    }
}

fn words<const N: usize>(words: [&str; N], path: &Path) -> Vec<String> {
    words.into_iter().map(String::from).chain([path.to_string_lossy().into_owned()]).collect()
}

/// The same port as last time where it is free, so that daemons of before find each other again. What a person has added
/// stays.
fn write_config(folders: &Folders) -> anyhow::Result<()> {
    let path = folders.config();
    let old = std::fs::read_to_string(&path).ok().and_then(|text| text.parse::<toml::Table>().ok()).unwrap_or_default();
    let port = old.get("ssh").and_then(|address| address.as_str());
    if port.is_some() && std::os::unix::net::UnixStream::connect(folders.socket()).is_ok() {
        // The manager that is about to be adopted was started with it.
        return Ok(());
    }
    let again = port.and_then(|address| TcpListener::bind(address).ok());
    let bound = again.map_or_else(|| TcpListener::bind("127.0.0.1:0"), Ok);
    let address = bound.and_then(|listener| listener.local_addr()).context("no port on loopback is free")?;
    let text = config(old, &address.to_string(), &folders.state.join("manager"), &folders.run)?;
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn config(old: toml::Table, address: &str, state: &Path, run: &Path) -> anyhow::Result<String> {
    let utf8 =
        |path: &Path| path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()));
    let ours = [
        ("ssh", address.to_owned()),
        ("state", utf8(state)?),
        ("run", utf8(run)?),
        ("name", "shelf".to_owned()),
        ("stop_grace", format!("{}s", GRACE.as_secs())),
    ];
    let mut table = old;
    table.extend(ours.map(|(key, value)| (key.to_owned(), value.into())));
    Ok(format!("# `bramble demo` sets ssh, state, run, name and stop_grace at each start; all else is yours.\n{table}"))
}

async fn join_token(client: &Client) -> anyhow::Result<String> {
    match client.call(Request::JoinToken { role: Role::Worker, ttl_seconds: None }).await? {
        Reply::JoinToken { token, .. } => Ok(token),
        other => bail!("the manager answered something else than a token: {other:?}"),
    }
}

async fn all_up(client: &Client, names: &[NodeName]) -> anyhow::Result<()> {
    let mut flow = client.stream(Request::Watch).await?;
    let mut picture = None;
    while let Some(more) = flow.next().await? {
        match (more, &mut picture) {
            (More::Picture(new), _) => picture = Some(new),
            (More::Changes(changes), Some(picture)) => picture.apply(changes),
            _ => {}
        }
        let up = |name: &NodeName| {
            let nodes = picture.iter().flat_map(|picture| &picture.nodes);
            nodes.into_iter().any(|node| node.name == *name && node.state == NodeState::Up)
        };
        if names.iter().all(up) {
            return Ok(());
        }
    }
    bail!("the manager stopped telling what happens")
}

async fn stop_jobs(client: &Client) -> anyhow::Result<()> {
    let query = JobQuery { active: true, limit: u32::MAX, ..Default::default() };
    let Reply::Jobs { jobs, .. } = client.call(Request::Jobs(query)).await? else { bail!("no list of jobs") };
    let targets: Vec<Target> = jobs.iter().map(|job| Target::Job(job.id)).collect();
    if targets.is_empty() {
        return Ok(());
    }
    client.call(Request::Stop { targets: targets.clone(), reason: Some(ENDED.into()) }).await?;
    client.call(Request::Wait { targets }).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_may_have_any_name() {
        for name in ["ana's demo", "a \"b\" \\ c", "zero\u{200b}width", "tab\tand\nline", "ünï"] {
            let state = Path::new("/tmp").join(name);
            let text = config(toml::Table::new(), "127.0.0.1:1", &state, Path::new("/run/x")).unwrap();
            let read: toml::Table = text.parse().unwrap_or_else(|e| panic!("{name:?}: {e}"));
            assert_eq!(read["state"].as_str(), state.to_str());
        }
    }

    #[test]
    fn what_a_person_has_added_to_the_configuration_stays() {
        let here = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(here.path(), open).unwrap();
        let folders = Folders::prepare(Some(here.path()), false).unwrap();
        write_config(&folders).unwrap();
        let added =
            std::fs::read_to_string(folders.config()).unwrap().replace("\"shelf\"", "\"mine\"\nlease = \"10s\"");
        std::fs::write(folders.config(), added).unwrap();
        write_config(&folders).unwrap();
        let read: toml::Table = std::fs::read_to_string(folders.config()).unwrap().parse().unwrap();
        assert_eq!((read["lease"].as_str(), read["name"].as_str()), (Some("10s"), Some("shelf")));
        folders.clear_run().unwrap();
        drop(folders);
        let folders = Folders::prepare(Some(here.path()), true).unwrap();
        assert!(!folders.config().exists(), "a fresh one begins anew");
        folders.clear_run().unwrap();
    }
}
