//! What people ask.

use protocol::api::{Refusal, Reply, Request};

use super::Cluster;
use super::port::{CallId, Caller};
use super::turn::Turn;

impl Cluster {
    pub(super) fn request(&mut self, call: CallId, caller: &Caller, request: Request, turn: &mut Turn<'_>) {
        let answer = match request {
            Request::Submit(spec) => self.submit(caller, spec, turn),
            Request::Jobs(query) => Ok(self.list_jobs(&query)),
            Request::Tasks(query) => self.list_tasks(&query),
            Request::Task { id } => self.show_task(id),
            Request::Nodes => Ok(Reply::Nodes(self.node_views())),
            Request::Node { name } => self.show_node(&name),
            Request::Why { id } => self.why(id, turn.now),
            Request::Wait { targets } => match self.wait(call, &targets, turn) {
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            Request::Stop { targets, reason } => self.stop(caller, &targets, reason.as_deref(), turn),
            Request::Retry { targets } => self.retry(caller, &targets, turn),
            Request::Drain { node, on } => self.drain(caller, &node, on, turn),
            Request::Reboot { node } => self.reboot(caller, &node, turn),
            Request::RemoveNode { node } => self.remove_node(caller, &node, turn),
            Request::RevokeNode { node } => self.revoke_node(caller, &node, turn),
            Request::Files(query) => Ok(self.list_files(caller, &query)),
            Request::File { file } => self.show_file(caller, &file).map(Reply::File),
            Request::FileRemove { file } => self.remove_file(caller, &file, turn),
            Request::FileRename { file, to } => self.rename_file(caller, &file, to, turn),
            Request::FileShare { file, with, on } => self.share_file(caller, &file, with, on, turn),
            Request::Results(query) => self.list_results(caller, &query),
            Request::ResultCollected { attempt } => self.collected(caller, attempt, turn),
            Request::ResultRemove { targets } => self.remove_results(caller, &targets, turn),
            Request::JobRemove { jobs } => self.remove_jobs(caller, &jobs, turn),
            Request::Away => Ok(self.away(caller)),
            Request::SecretSet { name, value } => self.set_secret(caller, name, value, turn),
            Request::Secrets { owner } => self.list_secrets(caller, owner.as_ref()),
            Request::SecretRemove { name, owner } => self.remove_secret(caller, &name, owner.as_ref(), turn),
            Request::Run(spec) => self.run(caller, spec, turn),
            Request::RunAgain { run } => self.run_again(caller, run, turn),
            Request::Runs(query) => self.list_runs(caller, &query),
            Request::RunShow { run } => self.show_run(caller, run),
            Request::RunText { run } => self.run_text(caller, run),
            Request::Scripts => Ok(self.list_scripts(caller)),
            Request::Script { script } => self.show_script(caller, &script),
            Request::ScriptRemove { script } => self.remove_script(caller, &script, turn),
            Request::ScriptGrant { script, hash, to, on } => self.grant_script(caller, &script, hash, &to, on, turn),
            Request::Hello { .. }
            | Request::RunFollow(_)
            | Request::ScriptKeep(_)
            | Request::NodeProbe(_)
            | Request::NodeAdd { .. }
            | Request::Logs(_)
            | Request::Events(_)
            | Request::Watch
            | Request::History { .. }
            | Request::Trends
            | Request::FilePut(_)
            | Request::FileSend { .. }
            | Request::FileKeep { .. }
            | Request::FileDrop
            | Request::FileGet(_)
            | Request::ResultGet(_)
            | Request::JoinToken { .. } => {
                Err(Refusal::unavailable("this request was not meant for the cluster core; please report this"))
            }
        };
        turn.answer(call, answer);
    }
}
