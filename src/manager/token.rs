//! Join tokens: the secret is made here and shown once; only its hash is kept.

use protocol::api::{Refusal, Reply};
use protocol::node::Role;
use protocol::token::JoinToken;
use sha2::{Digest, Sha256};

use super::cluster::{Caller, Input, SecretHash, Told};
use super::door::Door;
use super::heart::unexpected;

const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

pub fn hash(secret: &str) -> SecretHash {
    let digest = Sha256::digest(secret.as_bytes());
    SecretHash(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// 26 letters of 32: 130 bits.
fn secret() -> Result<String, Refusal> {
    let mut random = [0u8; 26];
    getrandom::fill(&mut random)
        .map_err(|e| Refusal::unavailable(format!("the system has no randomness to give: {e}")))?;
    Ok(random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

pub async fn make(door: &Door, caller: Caller, role: Role, ttl_seconds: Option<u64>) -> Result<Reply, Refusal> {
    if role != Role::Worker {
        return Err(Refusal::refused(format!("a {role} does not join with a token; tokens are for workers")));
    }
    let ttl = ttl_seconds.unwrap_or(door.config.token_ttl.as_secs());
    if !(1..=30 * 86_400).contains(&ttl) {
        return Err(Refusal::usage("a token is good for 1 second to 30 days"));
    }
    let secret = secret()?;
    let hash = hash(&secret);
    let ttl_ms = ttl * 1000;
    let told = door.heart.ask(|call| Input::MakeToken { call, caller, hash, role, ttl_ms }).await?;
    let expires_at = match told {
        Told::Token { expires_at } => expires_at,
        Told::Refused(refusal) => return Err(refusal),
        other => return Err(unexpected(&other)),
    };
    let token = JoinToken::new(role, secret, door.host_key.as_str())
        .map_err(|e| Refusal::unavailable(format!("the manager's host key has no usable fingerprint: {e}")))?
        .to_string();
    let line = format!("bramble worker-agent run --manager {} --join {token}", door.address);
    Ok(Reply::JoinToken { token, line, expires_at })
}
