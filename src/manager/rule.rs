//! The rule: what a person may ask for. One exhaustive match, checked where requests enter. Who owns what is checked
//! by the core, which knows the objects.

use protocol::api::{Refusal, Request, Right};

use super::cluster::Caller;

pub fn rule(request: &Request, caller: &Caller) -> Result<(), Refusal> {
    let (needs, what) = match request {
        Request::Hello { .. }
        | Request::Jobs(_)
        | Request::Tasks(_)
        | Request::Task { .. }
        | Request::Nodes
        | Request::Node { .. }
        | Request::History { .. }
        | Request::Trends
        | Request::Why { .. }
        | Request::Wait { .. }
        | Request::Events(_)
        | Request::Away
        | Request::Watch => (Right::Viewer, "look"),
        // Their own, and what is shared with them; admins all.
        Request::Files(_) | Request::File { .. } | Request::FileGet(_) => (Right::Viewer, "look"),
        Request::FilePut(_) | Request::FileSend { .. } | Request::FileKeep { .. } | Request::FileDrop => {
            (Right::Operator, "keep files")
        }
        // Of their own files only; admins of all.
        Request::FileRemove { .. } | Request::FileRename { .. } => (Right::Operator, "change files"),
        Request::FileShare { .. } => (Right::Operator, "share files"),
        Request::Submit(_) => (Right::Operator, "submit jobs"),
        // Of their own jobs only; admins of all.
        Request::Logs(_) => (Right::Operator, "read what tasks print"),
        Request::Results(_) | Request::ResultGet(_) | Request::ResultCollected { .. } => {
            (Right::Operator, "collect what tasks leave")
        }
        Request::ResultRemove { .. } => (Right::Operator, "remove results"),
        Request::JobRemove { .. } => (Right::Operator, "remove jobs"),
        // Of their own only; admins of others too, but for setting.
        Request::Secrets { .. } | Request::SecretSet { .. } | Request::SecretRemove { .. } => {
            (Right::Operator, "keep secrets")
        }
        // Of their own runs only; admins of all. Whom a run is run as, and on what, is checked by the core.
        Request::Run(_) | Request::RunAgain { .. } => (Right::Operator, "run commands on nodes"),
        Request::Runs(_) | Request::RunShow { .. } | Request::RunFollow(_) | Request::RunText { .. } => {
            (Right::Operator, "read what runs print")
        }
        Request::Scripts | Request::Script { .. } => (Right::Operator, "read scripts"),
        // Of their own only; admins of all.
        Request::ScriptKeep(_) | Request::ScriptRemove { .. } => (Right::Operator, "keep scripts"),
        Request::ScriptGrant { .. } => (Right::Admin, "let others run scripts as root"),
        Request::NodeProbe(_) | Request::NodeAdd { .. } => (Right::Admin, "add nodes"),
        Request::Stop { .. } => (Right::Operator, "stop tasks"),
        Request::Retry { .. } => (Right::Operator, "retry tasks"),
        Request::Drain { .. } => (Right::Admin, "drain nodes"),
        Request::Reboot { .. } => (Right::Admin, "reboot nodes"),
        Request::RemoveNode { .. } => (Right::Admin, "remove nodes"),
        Request::RevokeNode { .. } => (Right::Admin, "revoke a node's key"),
        Request::JoinToken { .. } => (Right::Admin, "make join tokens"),
    };
    if caller.right >= needs {
        return Ok(());
    }
    let (is, needs) = (word(caller.right), word(needs));
    Err(Refusal::refused(format!("{} is {is} here, and only {needs} may {what}", caller.person)))
}

fn word(right: Right) -> &'static str {
    match right {
        Right::Viewer => "a viewer",
        Right::Operator => "an operator",
        Right::Admin => "an admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::job::JobSpec;

    #[test]
    fn a_viewer_looks_an_operator_works_an_admin_rules() {
        let may = |right, request: &Request| {
            rule(request, &Caller { person: "ana".parse().unwrap(), right }).map_err(|r| r.message)
        };
        let submit = Request::Submit(JobSpec::of(["true"]));
        let drain = Request::Drain { node: "pi-1".parse().unwrap(), on: true };
        assert!(may(Right::Viewer, &Request::Nodes).is_ok());
        assert_eq!(
            may(Right::Viewer, &submit),
            Err("ana is a viewer here, and only an operator may submit jobs".into())
        );
        assert!(may(Right::Operator, &submit).is_ok());
        assert_eq!(
            may(Right::Operator, &drain),
            Err("ana is an operator here, and only an admin may drain nodes".into())
        );
        assert!(may(Right::Admin, &drain).is_ok());
    }
}
