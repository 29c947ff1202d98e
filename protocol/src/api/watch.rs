//! What a watch tells: a picture, then what changes in it.

use serde::{Deserialize, Serialize};

use super::{JobView, NodeView};
use crate::event::Event;
use crate::id::JobId;
use crate::job::Counts;
use crate::name::{NodeName, PersonName};
use crate::node::{Metrics, Role};
use crate::time::UnixMillis;

/// Everything a screen begins with.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Picture {
    pub at: UnixMillis,
    /// By role, the manager first, then by name.
    pub nodes: Vec<NodeView>,
    /// Active jobs and the newest ended ones, newest first.
    pub jobs: Vec<JobView>,
    /// The tasks of all jobs the manager knows, shown here or not.
    #[serde(default)]
    pub work: Counts,
    /// Who has a watch open, by name.
    #[serde(default)]
    pub people: Vec<PersonName>,
    pub last_event: u64,
}

/// What changed since the last picture or changes; replaces what was known of the same name or number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    pub at: UnixMillis,
    pub nodes: Vec<NodeView>,
    /// Nodes of which nothing else changed: every second there is such news of every node.
    pub metrics: Vec<NodeMetrics>,
    pub gone_nodes: Vec<NodeName>,
    pub jobs: Vec<JobView>,
    pub gone_jobs: Vec<JobId>,
    pub work: Option<Counts>,
    pub people: Option<Vec<PersonName>>,
    pub events: Vec<Event>,
}

/// What changes about a node all the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeMetrics {
    pub name: NodeName,
    pub role: Role,
    pub metrics: Metrics,
    pub running_cpus: u32,
    pub running: u32,
    pub finished: u64,
}

impl Picture {
    /// Brings the picture up to date, keeping its order; told twice is told once.
    pub fn apply(&mut self, changes: Changes) {
        self.at = changes.at;
        self.nodes.retain(|node| !changes.gone_nodes.contains(&node.name));
        for view in changes.nodes {
            match self.find(view.role, &view.name) {
                Ok(at) => self.nodes[at] = view,
                Err(_) => {
                    // Removed and joined again as something else, it stood elsewhere.
                    self.nodes.retain(|known| known.name != view.name);
                    let at = self.find(view.role, &view.name).unwrap_or_else(|at| at);
                    self.nodes.insert(at, view);
                }
            }
        }
        for news in changes.metrics {
            // Of a node that is not in the picture there is nothing to bring up to date.
            if let Ok(at) = self.find(news.role, &news.name) {
                self.nodes[at].take(news);
            }
        }
        self.jobs.retain(|job| !changes.gone_jobs.contains(&job.id));
        for view in changes.jobs {
            match self.jobs.binary_search_by(|known| view.id.cmp(&known.id)) {
                Ok(at) => self.jobs[at] = view,
                Err(at) => self.jobs.insert(at, view),
            }
        }
        self.work = changes.work.unwrap_or(self.work);
        if let Some(people) = changes.people {
            self.people = people;
        }
        self.last_event = changes.events.last().map_or(self.last_event, |event| event.no.max(self.last_event));
    }

    fn find(&self, role: Role, name: &NodeName) -> Result<usize, usize> {
        self.nodes.binary_search_by(|known| (known.role, &known.name).cmp(&(role, name)))
    }
}

impl NodeView {
    fn take(&mut self, news: NodeMetrics) {
        self.metrics = Some(news.metrics);
        self.running_cpus = news.running_cpus;
        self.running = news.running;
        self.finished = news.finished;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Facts, NodeState};
    use crate::unit::Percent;

    fn name(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    fn node(name: &str, role: Role, state: NodeState) -> NodeView {
        NodeView {
            ssh: None,
            name: name.parse().unwrap(),
            role,
            state,
            draining: false,
            revoked: false,
            shared_uid: false,
            version: None,
            address: None,
            cpus: 4,
            slots: 4,
            running_cpus: 0,
            running: 0,
            finished: 0,
            joined_at: UnixMillis(0),
            seen_at: None,
            facts: Facts { hostname: Some("rack".into()), ..Default::default() },
            trouble: None,
            metrics: None,
        }
    }

    fn shelf() -> Picture {
        let nodes = vec![node("shelf", Role::Manager, NodeState::Up), node("pi-2", Role::Worker, NodeState::Down)];
        Picture { at: UnixMillis(0), nodes, jobs: vec![], work: Counts::default(), people: vec![], last_event: 3 }
    }

    fn metrics(node: &str, cpu: f32, running: u32) -> NodeMetrics {
        NodeMetrics {
            name: name(node),
            role: Role::Worker,
            metrics: Metrics { cpu: Percent::new(cpu), ..Default::default() },
            running_cpus: running,
            running,
            finished: 7,
        }
    }

    #[test]
    fn a_picture_is_brought_up_to_date_and_keeps_its_order() {
        let mut picture = shelf();
        let told = Changes {
            nodes: vec![
                node("pi-2", Role::Worker, NodeState::Up),
                node("pi-1", Role::Worker, NodeState::Up),
                node("shelf", Role::Manager, NodeState::Up),
            ],
            ..Default::default()
        };
        picture.apply(told.clone());
        picture.apply(told);
        let names: Vec<&str> = picture.nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["shelf", "pi-1", "pi-2"]);
        assert!(picture.nodes.iter().all(|node| node.state == NodeState::Up));
        picture.apply(Changes { gone_nodes: vec![name("pi-1")], ..Default::default() });
        assert_eq!((picture.nodes.len(), picture.last_event), (2, 3));
    }

    #[test]
    fn metrics_alone_change_nothing_else_of_a_node() {
        let mut picture = shelf();
        let told = Changes { metrics: vec![metrics("pi-2", 40.0, 2)], ..Default::default() };
        picture.apply(told.clone());
        let once = picture.clone();
        picture.apply(told);
        assert_eq!(picture, once, "told twice is told once");
        let known = &picture.nodes[1];
        assert_eq!((known.running, known.running_cpus, known.finished), (2, 2, 7));
        assert_eq!(known.metrics.as_ref().and_then(|m| m.cpu), Percent::new(40.0));
        assert_eq!(known.facts, node("pi-2", Role::Worker, NodeState::Down).facts);
    }

    #[test]
    fn metrics_of_a_node_that_is_not_known_or_gone_make_none() {
        let mut picture = shelf();
        let unknown = Changes { metrics: vec![metrics("pi-9", 1.0, 1)], ..Default::default() };
        picture.apply(unknown);
        assert_eq!(picture, shelf());
        let gone =
            Changes { gone_nodes: vec![name("pi-2")], metrics: vec![metrics("pi-2", 1.0, 1)], ..Default::default() };
        picture.apply(gone);
        assert_eq!(picture.nodes.len(), 1);
    }

    #[test]
    fn metrics_beside_the_whole_view_are_the_newer_ones() {
        let mut picture = shelf();
        let both = Changes {
            nodes: vec![node("pi-2", Role::Worker, NodeState::Up), node("pi-1", Role::Worker, NodeState::Up)],
            metrics: vec![metrics("pi-2", 5.0, 1), metrics("pi-1", 6.0, 2)],
            ..Default::default()
        };
        picture.apply(both);
        let running: Vec<u32> = picture.nodes.iter().map(|node| node.running).collect();
        assert_eq!(running, [0, 2, 1]);
    }

    #[test]
    fn a_node_that_came_back_as_something_else_is_there_once() {
        let mut picture = shelf();
        picture.apply(Changes { nodes: vec![node("pi-2", Role::Cooler, NodeState::Up)], ..Default::default() });
        let roles: Vec<Role> = picture.nodes.iter().map(|node| node.role).collect();
        assert_eq!(roles, [Role::Manager, Role::Cooler]);
    }

    #[test]
    fn work_and_people_stay_until_told_anew() {
        let mut picture = shelf();
        let people = vec!["ana".parse().unwrap(), "bo".parse().unwrap()];
        let work = Counts { queued: 5, ..Default::default() };
        picture.apply(Changes { work: Some(work), people: Some(people.clone()), ..Default::default() });
        picture.apply(Changes::default());
        assert_eq!((picture.work, &picture.people), (work, &people));
        picture.apply(Changes { people: Some(vec![]), ..Default::default() });
        assert_eq!((picture.work, picture.people.len()), (work, 0));
    }

    #[test]
    fn a_picture_of_an_older_manager_is_understood() {
        let picture: Picture = serde_json::from_str(r#"{"at":1,"nodes":[],"jobs":[],"last_event":2}"#).unwrap();
        assert_eq!((picture.work, picture.people), (Counts::default(), vec![]));
        let changes: Changes = serde_json::from_str(r#"{"at":1,"nodes":[]}"#).unwrap();
        assert_eq!(changes, Changes { at: UnixMillis(1), ..Default::default() });
    }
}
