//! Join tokens, and the nodes that come with one.

use std::collections::BTreeMap;

use protocol::agent::JoinReply;
use protocol::api::Refusal;
use protocol::event::What;
use protocol::name::NodeName;
use protocol::node::Role;
use protocol::time::UnixMillis;

use super::Cluster;
use super::change::{Change, KeyPrint, SecretHash, TokenRow};
use super::nodes::Node;
use super::port::{CallId, Caller, Mono, Now, Told};
use super::timers::Timer;
use super::turn::Turn;
use super::valve::{Valve, with_held_back};

/// The longest a token may be good for.
const LONGEST_MS: u64 = 30 * DAY_MS;
/// How long an expired token is still known, so that whoever comes late is told why.
const REMEMBERED_MS: u64 = DAY_MS;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Default)]
pub struct Joining {
    tokens: BTreeMap<SecretHash, Token>,
    refusals: Valve,
}

#[derive(Debug)]
struct Token {
    role: Role,
    expires_at: UnixMillis,
    /// The same on the clock that decides.
    expires: Mono,
    used: Option<(KeyPrint, NodeName)>,
}

/// What a node that wants to join says, and what is known of it.
#[derive(Debug)]
pub struct Wish {
    pub key: KeyPrint,
    pub hash: SecretHash,
    pub name: NodeName,
    pub role: Role,
    pub address: Option<String>,
}

const NEW_ONE: &str = "get a new one on the manager with: bramble join-token";

impl Joining {
    /// Wall time is all a row can hold; a clock that jumped meanwhile cannot make a token last for ever.
    pub fn load(rows: Vec<TokenRow>, now: Now) -> Self {
        let tokens = rows.into_iter().map(|TokenRow { hash, role, expires_at, used }| {
            let expires = now.mono.plus(expires_at.since(now.wall).min(LONGEST_MS));
            (hash, Token { role, expires_at, expires, used })
        });
        Self { tokens: tokens.collect(), refusals: Valve::default() }
    }

    pub fn next_forgotten(&self) -> Option<Mono> {
        self.tokens.values().map(|token| token.expires.plus(REMEMBERED_MS)).min()
    }
}

impl Cluster {
    pub(super) fn make_token(
        &mut self,
        call: CallId,
        caller: &Caller,
        hash: SecretHash,
        role: Role,
        ttl_ms: u64,
        turn: &mut Turn<'_>,
    ) {
        let ttl_ms = if ttl_ms == 0 { self.config.token_ttl_ms } else { ttl_ms };
        if ttl_ms > LONGEST_MS {
            return turn.tell(call, Told::Refused(Refusal::usage("a join token is good for at most 30 days")));
        }
        if role == Role::Manager {
            let why = "a manager does not join with a token; tokens are for workers and coolers";
            return turn.tell(call, Told::Refused(Refusal::refused(why)));
        }
        let expires_at = UnixMillis(turn.now.wall.0.saturating_add(ttl_ms));
        let expires = turn.now.mono.plus(ttl_ms);
        turn.persist(Change::Token(TokenRow { hash: hash.clone(), role, expires_at, used: None }));
        self.joining.tokens.insert(hash, Token { role, expires_at, expires, used: None });
        self.timers.set(expires.plus(REMEMBERED_MS), Timer::Tokens);
        turn.publish_of(Some(caller.person.clone()), What::TokenMade { role });
        turn.tell(call, Told::Token { expires_at });
    }

    pub(super) fn tokens_due(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        self.joining.tokens.retain(|hash, token| {
            let known = token.expires.plus(REMEMBERED_MS) > now;
            if !known {
                turn.persist(Change::TokenGone(hash.clone()));
            }
            known
        });
        if let Some(next) = self.joining.next_forgotten() {
            self.timers.set(next, Timer::Tokens);
        }
    }

    pub(super) fn join(&mut self, call: CallId, wish: Wish, turn: &mut Turn<'_>) {
        let reply = match self.examine(&wish, turn.now) {
            Ok(Welcome::Again) => JoinReply::Joined { name: wish.name },
            Ok(Welcome::New) => {
                let name = wish.name.clone();
                self.add_node(wish, turn);
                JoinReply::Joined { name }
            }
            Err(reason) => {
                // Strangers can cause this as often as they like.
                if let Some(held_back) = self.joining.refusals.pass(turn.now.mono) {
                    let reason = with_held_back(&reason, held_back);
                    turn.publish(What::JoinRefused { name: wish.name, reason });
                }
                JoinReply::Refused { reason }
            }
        };
        turn.tell(call, Told::Join(reply));
    }

    /// `Err` is the sentence both sides read.
    fn examine(&self, wish: &Wish, now: Now) -> Result<Welcome, String> {
        let Wish { key, hash, name, role, .. } = wish;
        let Some(token) = self.joining.tokens.get(hash) else {
            return Err(format!("this token is not known here, or no more; {NEW_ONE}"));
        };
        let known_as = self.nodes.by_key(key).map(|ix| self.nodes.name(ix));
        let revoked = self.nodes.by_key(key).and_then(|ix| self.nodes.get(ix)).is_some_and(|node| node.revoked);
        if let (true, Some(known_as)) = (revoked, known_as) {
            return Err(format!(
                "the key of this machine was revoked as {known_as}; to let it in again, first on the manager: bramble node rm {known_as}"
            ));
        }
        if let Some((by, as_name)) = &token.used {
            if by != key {
                return Err(format!("this token was used already, by {as_name}; {NEW_ONE}"));
            }
            // Should the first answer have been lost, the same question gets the same answer.
            return match known_as {
                Some(known_as) if known_as == name => Ok(Welcome::Again),
                Some(known_as) => Err(format!("this machine has joined with this token as {known_as}, not as {name}")),
                None => Err(format!("this token was used already, and {as_name} was removed since; {NEW_ONE}")),
            };
        }
        if token.expires <= now.mono {
            return Err(format!("this token has expired; {NEW_ONE}"));
        }
        if token.role != *role {
            return Err(format!(
                "this token is for a {}, and {name} wants to be a {role}; get one for it on the manager with: bramble join-token",
                token.role
            ));
        }
        match known_as {
            Some(known_as) if known_as != name => {
                return Err(format!(
                    "this machine has joined as {known_as} already; start it without --join, or first on the manager: bramble node rm {known_as}"
                ));
            }
            Some(_) => {}
            None => {
                let own = self.nodes.own.as_ref().is_some_and(|own| own.name == *name);
                let there = self.nodes.find(name).and_then(|ix| self.nodes.get(ix));
                // A node that was added without an agent gets one.
                let taken = there.is_some_and(|node| node.key.is_some() || node.role != *role);
                if own || taken {
                    let remedy = if own {
                        "that is the manager itself: choose another with --name".to_owned()
                    } else {
                        format!("choose another with --name, or first on the manager: bramble node rm {name}")
                    };
                    return Err(format!("the name {name} is taken by another machine; {remedy}"));
                }
            }
        }
        Ok(Welcome::New)
    }

    fn add_node(&mut self, wish: Wish, turn: &mut Turn<'_>) {
        let Wish { key, hash, name, role, address } = wish;
        if let Some(token) = self.joining.tokens.get_mut(&hash) {
            token.used = Some((key.clone(), name.clone()));
            let (expires_at, used) = (token.expires_at, token.used.clone());
            turn.persist(Change::Token(TokenRow { hash, role, expires_at, used }));
        }
        turn.touch_node(&name);
        match self.nodes.find(&name) {
            None => {
                let mut node = Node::new(role, Some(key), turn.now.wall);
                node.address = address;
                let ix = self.nodes.add(&name, node);
                self.persist_node(ix, turn);
            }
            // Known by its own SSH until now, which stays its other way.
            Some(ix) if self.nodes.get(ix).is_some_and(|node| node.key.is_none()) => {
                self.nodes.set_key(ix, key);
                if let Some(node) = self.nodes.get_mut(ix) {
                    node.joined_at = turn.now.wall;
                    node.address = address;
                }
                self.persist_node(ix, turn);
            }
            // The same machine with a further token stays as it is.
            Some(_) => {}
        }
        turn.publish(What::NodeJoined { node: name, role });
    }
}

enum Welcome {
    New,
    Again,
}
