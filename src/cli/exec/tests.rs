//! What several files here test with, and exit codes.

use protocol::job::{NotStarted, Outcome, TaskState};
use protocol::run::AnswerView;

use super::fate::{exit, sentence, summary};
use crate::cli::exit::Exit;

/// One that ended as its state says.
pub fn answer(index: u32, node: &str, state: TaskState) -> AnswerView {
    let outcome = match state {
        TaskState::Succeeded => Some(Outcome::Exited(0)),
        TaskState::Failed => Some(Outcome::Exited(3)),
        TaskState::Stopped => Some(Outcome::Stopped { reason: "by ana".into() }),
        TaskState::Lost => Some(Outcome::Lost { reason: "the node was away too long".into(), again: false }),
        _ => None,
    };
    AnswerView {
        index,
        node: node.parse().unwrap(),
        state,
        stopping: false,
        away: false,
        started_at: None,
        ended_at: None,
        ran_ms: None,
        code: outcome.as_ref().and_then(Outcome::code),
        reason: outcome.as_ref().map(Outcome::reason).unwrap_or_default(),
        outcome,
    }
}

#[test]
fn the_code_of_one_node_is_its_programs_and_of_several_says_whether_all_or_some_went_well() {
    use TaskState::{Failed, Lost, Stopped, Succeeded};
    let code = |states: &[TaskState], alone| {
        let answers: Vec<AnswerView> = (0..).zip(states).map(|(n, state)| answer(n, "pi-1", *state)).collect();
        exit(&answers, alone)
    };
    assert_eq!(code(&[Failed], true), Exit(3));
    assert_eq!(code(&[Succeeded], true), Exit::OK);
    assert_eq!(code(&[Lost], true), Exit(1));
    assert_eq!(code(&[Failed], false), Exit::TASK_FAILED);
    assert_eq!(code(&[Succeeded, Succeeded], false), Exit::OK);
    assert_eq!(code(&[Succeeded, Stopped], false), Exit::SOME_FAILED);
    assert_eq!(code(&[Failed, Lost], false), Exit::TASK_FAILED);
    let huge = AnswerView { code: Some(-1), ..answer(0, "pi-1", Failed) };
    assert_eq!(exit(&[huge], true), Exit(125));
}

#[test]
fn a_nodes_name_is_said_once() {
    let message = "pi-3 is down".to_owned();
    let outcome = Outcome::NotStarted { kind: NotStarted::NotReached, message };
    let down = AnswerView { reason: outcome.reason(), outcome: Some(outcome), ..answer(0, "pi-3", TaskState::Failed) };
    assert_eq!(sentence(&down), "pi-3 is down");
    assert_eq!(sentence(&answer(0, "pi-30", TaskState::Failed)), "pi-30: exit code 3");
    assert_eq!(sentence(&answer(0, "pi-1", TaskState::Stopped)), "pi-1: stopped: by ana");
}

#[test]
fn a_summary_names_those_with_whom_it_did_not_go_well() {
    let answers = [
        answer(0, "pi-1", TaskState::Succeeded),
        answer(1, "pi-2", TaskState::Failed),
        answer(2, "pi-3", TaskState::Failed),
        answer(3, "pi-4", TaskState::Lost),
    ];
    assert_eq!(summary(&answers), "1 succeeded, 2 failed (pi-[2,3]), 1 lost (pi-4)");
}
