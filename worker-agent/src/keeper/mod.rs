//! The keeper: owns the tasks' processes, waits for them, writes down what happened. Synchronous, one thread.

pub mod client;
