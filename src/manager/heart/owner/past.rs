//! How nodes have been doing: sampled once a second, written down in pages.

use protocol::api::{Reply, Request};

use super::Owner;
use crate::manager::cluster::{Mono, Told};
use crate::manager::history::Stamp;
use crate::manager::store::writer::Batch;

const SAMPLE_MS: u64 = 1000;

impl Owner {
    /// Where it is time.
    pub(super) async fn sample(&mut self) {
        let now = self.now();
        if now.mono < self.sampled_next {
            return;
        }
        self.sampled_next = Mono(now.mono.0 - now.mono.0 % SAMPLE_MS + SAMPLE_MS);
        for (node, metrics) in self.cluster.metrics() {
            self.histories.sample(node, metrics, now.mono);
        }
        if let Some(page) = self.histories.page(now.mono, Stamp::now) {
            let held = self.take_held();
            self.commit(Batch { pages: vec![page], ..held }).await;
        }
    }

    pub(super) async fn write_down_all(&mut self) {
        let pages = self.histories.last_pages(self.now().mono, &Stamp::now());
        let held = self.take_held();
        self.commit(Batch { pages, ..held }).await;
    }

    /// Answers what is asked about it.
    pub(super) fn past(&mut self, request: &Request) -> Option<Told> {
        let now = self.now();
        Some(match request {
            Request::History { node, span } => match self.cluster.known_node(node) {
                Ok(()) => Told::Reply(Reply::History(Box::new(self.histories.look(node, *span, now)))),
                Err(refusal) => Told::Refused(refusal),
            },
            Request::Trends => Told::Reply(self.histories.trends(self.cluster.node_names().cloned(), now)),
            _ => return None,
        })
    }
}
