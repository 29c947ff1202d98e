//! The simulator: the whole cluster in one thread, without a clock, a network or a disk of this world.
//!
//! One seed makes one world (`plan`): machines with a keeper and an agent (`machine`, `agent`), people who ask
//! (`people`), a manager around the real core (`manager`), and what lies between them (`net`, `leaving`); a `carrier` tells
//! who is to be told of an end. People also want things run now (`runs`), some of it by the manager itself (`own`). Time (`agenda`) jumps from one happening to the next (`world`); `misfortunes` break links, cut power, kill agents and the manager between
//! any two effects, fail commits and turn clocks. After each step `promises` and `idle` compare what was told with
//! what is so; in the end (`rest`) all must come to rest. A seed that fails, fails again, and tells how (`trace`).
//!
//! Its teeth, as they were tried: with one of these put into the core, a seed among the first few broke a promise.
//!
//! | put into the core | which promise |
//! |---|---|
//! | an attempt is not written down when it is given to a node | begins unbeknown to the disk |
//! | an attempt is acknowledged at its start | acknowledged, and kept nowhere |
//! | what a node ran is lost as soon as its link is | given up while its node may still have it |
//! | a result of any earlier attempt ends the task | a row that does not follow from the one before |
//! | the slots of some tasks are not freed at their end | waits while slots are free |
//! | the wake-up of a class that has a task again is lost | waits while slots are free |
//! | a freed slot is not looked at | waits while slots are free |
//! | who waits is answered twice | answered twice |
//! | a second hello frees what its node runs | a row that does not follow from the one before |
//! | a hello that was overtaken is believed | given up while its node may still have it |
//! | a stop is not written down | acknowledged, and nothing says so |
//! | a drained node is given work | given to a node that takes nothing |
//! | a result is told kept and not written down | told kept, and kept nowhere |
//! | results of a forgotten job are forgotten without their contents | these contents are there |
//! | a task that reduces does not wait | begins, and another has not succeeded |
//! | it goes on waiting when one of the others has failed | waits, and another gives it nothing |
//! | it is given what an earlier attempt left | all parts are there |
//! | all tasks are given what is for one of them | the files of an order |
//! | each task of a sweep runs the first combination | the command of an order |
//! | what others are to leave goes to an agent that gives no results | gives no results, and is given it |
//! | it is run again without its parts | waits, and another gives it nothing |
//! | the ends of some jobs are not told | nobody is told of the end |
//! | a notice is told and not written down | nobody is told of the end |
//! | that it was told is not written down | is told twice, and the manager did not die |
//! | what is said of a notice twice is believed twice | goes twice |
//! | after a start and a reload nobody is asked to tell what is owed | it does not come to rest |
//! | numbers of notices begin anew after a start | was given before |
//! | what it needs is removed | begins, and another has nothing kept |
//! | an answer of a run is not written down when it is begun | begins, and the disk says queued |
//! | its order is sent again to a node that was started anew | begins twice |
//! | more are under way than a run allows | at most so many may be |
//! | what is to stop is not told so again after a new link | it does not come to rest |
//! | an answer is acknowledged at its start | acknowledged, and kept nowhere |
//! | an answer is lost as soon as its link is | given up while its node may still have it |
//! | who is away has no lease for what it runs | owes answers, and has no lease |
//! | the end of one answer begins no other | it does not come to rest |
//! | what the manager ran itself goes on being waited for when it is started anew | it does not come to rest |
//! | the end of a run is told with each answer | the end of a run is told |
//! | any node may answer for any other | given up while its node may still have it |
//! | the number of a run is given to a job too | was given before |
//! | a task is told the secret of that name of somebody else | is told a value that its owner never had |
//! | a secret is removed while a job that is given it has not ended | goes, and a job that is given it has not ended |
//! | a secret that is set is not written down | has set it |
//! | a secret that is removed is not written down as gone | is removed |
//! | a variable of a job that has not ended is set to what is no text | is given as a variable what cannot be one |
//! | a job is run again without its secrets | is to run, and its owner has none |
//! | anybody is shown, or removes, the secrets of others | is told of the secrets of somebody else |
//! | an admin is shown their own secrets in place of somebody's | the secrets of somebody are shown |

mod agenda;
mod agent;
mod carrier;
mod idle;
mod leaving;
mod machine;
mod manager;
mod misfortunes;
mod net;
mod own;
mod people;
mod plan;
mod promises;
mod reduces;
mod rest;
mod runs;
mod seeds;
mod trace;
mod world;
