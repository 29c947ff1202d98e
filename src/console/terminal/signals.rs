//! The signals the console answers.

use std::io;

use futures_util::stream::{self, Stream};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The terminal is gone, or somebody says so.
    HangUp,
    Interrupt,
    Terminate,
    /// Stopped before, going on now: the terminal has to be taken again.
    Continue,
}

pub fn signals() -> io::Result<impl Stream<Item = Signal> + Unpin + Send> {
    let all = [
        (SignalKind::hangup(), Signal::HangUp),
        (SignalKind::interrupt(), Signal::Interrupt),
        (SignalKind::terminate(), Signal::Terminate),
        (SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()), Signal::Continue),
    ];
    let streams = all.into_iter().map(|(kind, name)| {
        let mut signal = signal(kind)?;
        Ok(stream::poll_fn(move |context| signal.poll_recv(context).map(|came| came.map(|()| name))))
    });
    Ok(stream::select_all(streams.collect::<io::Result<Vec<_>>>()?))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use rustix::process::{getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn signals_arrive_by_name() {
        let mut signals = signals().unwrap();
        kill_process(getpid(), rustix::process::Signal::CONT).unwrap();
        assert_eq!(signals.next().await, Some(Signal::Continue));
        kill_process(getpid(), rustix::process::Signal::HUP).unwrap();
        assert_eq!(signals.next().await, Some(Signal::HangUp));
    }
}
