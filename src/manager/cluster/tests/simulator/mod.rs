//! The simulator: the whole cluster in one thread, without a clock, a network or a disk of this world.
//!
//! One seed makes one world (`plan`): machines with a keeper and an agent (`machine`, `agent`), people who ask
//! (`people`), a manager around the real core (`manager`), and what lies between them (`net`). Time (`agenda`) jumps
//! from one happening to the next (`world`); `misfortunes` break links, cut power, kill agents and the manager between
//! any two effects, fail commits and turn clocks. After each step `promises` and `idle` compare what was told with
//! what is so; in the end (`rest`) all must come to rest. A seed that fails, fails again, and tells how (`trace`).

mod agenda;
mod agent;
mod idle;
mod machine;
mod manager;
mod misfortunes;
mod net;
mod people;
mod plan;
mod promises;
mod rest;
mod seeds;
mod trace;
mod world;
