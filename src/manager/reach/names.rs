//! Addresses of machines that were named. The system answers such questions slowly, each on a thread of its own that nothing
//! ends; so few at a time, or nobody else would have a thread left while the name server is away.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;

static ASKING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(4)));

pub async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let permit = ASKING.clone().acquire_owned().await.map_err(io::Error::other)?;
    let host = host.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        // Held until the system has answered, whoever has stopped waiting.
        let _permit = permit;
        Ok((host.as_str(), port).to_socket_addrs()?.collect())
    });
    asked.await.unwrap_or_else(|failed| Err(io::Error::other(failed)))
}
