//! What a node makes of being told to reboot, which it says a moment later, as an event.

use std::time::Duration;

use protocol::api::{EventQuery, More, Request};
use protocol::event::{Event, What};
use protocol::name::NodeName;
use tokio::time::timeout;

use super::exit::{Failure, Kind};
use crate::client::{Client, ClientError};

/// A node that says nothing for so long is doing it.
const MOMENT: Duration = Duration::from_secs(2);

/// What a node calls the order when it refuses it.
const REBOOT: &str = "reboot";

/// After the request was taken: an error where the node does not do it.
pub async fn comes_true(client: &Client, node: &NodeName) -> Result<(), Failure> {
    match timeout(MOMENT, verdict(client, node)).await {
        Ok(Ok(Some(reason))) => Err(Failure::new(Kind::Refused, format_args!("{node} does not reboot: {reason}"))),
        // No news is no refusal.
        _ => Ok(()),
    }
}

/// The reason of a refusal, if that is what follows the newest request.
async fn verdict(client: &Client, node: &NodeName) -> Result<Option<String>, ClientError> {
    let query = EventQuery { limit: 1000, follow: true, ..EventQuery::default() };
    let mut flow = client.stream(Request::Events(query)).await?;
    while let Some(piece) = flow.next().await? {
        let More::Events(events) = piece else { continue };
        if let Some(verdict) = newest(&events, node) {
            return Ok(verdict);
        }
    }
    Ok(None)
}

fn newest(events: &[Event], node: &NodeName) -> Option<Option<String>> {
    let mut verdict = None;
    for event in events.iter().filter(|event| event.what.node() == Some(node)) {
        match &event.what {
            // Whatever came before was about an earlier one.
            What::RebootAsked { .. } => verdict = None,
            What::OrderRefused { what, reason, .. } if what == REBOOT => verdict = Some(Some(reason.clone())),
            What::NodeDown { .. } => verdict = Some(None),
            _ => {}
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use protocol::time::UnixMillis;

    use super::*;

    fn told(what: &[What]) -> Option<Option<String>> {
        let events = what.iter().enumerate().map(|(no, what)| Event {
            no: no as u64,
            at: UnixMillis(0),
            person: None,
            what: what.clone(),
        });
        newest(&events.collect::<Vec<_>>(), &"pi-1".parse().unwrap())
    }

    #[test]
    fn only_what_follows_the_newest_request_counts() {
        let node = |name: &str| name.parse::<NodeName>().unwrap();
        let asked = What::RebootAsked { node: node("pi-1") };
        let refused =
            |name, what: &str| What::OrderRefused { node: node(name), what: what.into(), reason: "no".into() };
        let down = What::NodeDown { node: node("pi-1"), reason: "it hung up".into() };
        assert_eq!(told(&[asked.clone(), refused("pi-1", "reboot")]), Some(Some("no".into())));
        assert_eq!(told(&[asked.clone(), refused("pi-1", "reboot"), asked.clone()]), None);
        assert_eq!(told(&[asked.clone(), refused("pi-2", "reboot"), refused("pi-1", "a task")]), None);
        assert_eq!(told(&[asked, down]), Some(None));
    }
}
