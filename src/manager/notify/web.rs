//! A POST of JSON to a URL. No redirect is followed, no proxy asked, and nothing of the answer is read or passed on but its
//! status: what a host inside the network says is not for whoever made the manager ask it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::oneshot;
use ureq::http::{StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Error};

use super::Sent;
use super::roots::Roots;
use super::words::Words;

pub struct Web {
    plain_http: bool,
    patience: Duration,
    roots: Arc<Roots>,
    /// Made by the first thread that needs it.
    agent: Arc<OnceLock<Agent>>,
}

impl Web {
    pub fn new(plain_http: bool, patience: Duration, roots: Arc<Roots>) -> Self {
        Self { plain_http, patience, roots, agent: Arc::default() }
    }

    pub async fn post(&self, url: &str, words: &Words<'_>) -> Sent {
        let Some(host) = host(url) else { return Sent::Never("that is no URL".into()) };
        if is_plain(url) && !self.plain_http {
            return Sent::Never("this manager tells nothing by http:// any more".into());
        }
        let (url, body) = (url.to_owned(), words.json().to_string());
        let (agent, roots, patience, https_only) =
            (self.agent.clone(), self.roots.clone(), self.patience, !self.plain_http);
        let (tell, told) = oneshot::channel();
        // Not one of the few threads that wait for the disk: hosts may take their time.
        let started = std::thread::Builder::new().name("webhook".into()).spawn(move || {
            let agent = agent.get_or_init(|| new_agent(patience, https_only, &roots));
            let sent = agent.post(&url).header("Content-Type", "application/json").send(body);
            // The manager may have stopped meanwhile.
            let _ = tell.send(sent.map(|answer| answer.status()));
        });
        if let Err(error) = started {
            return Sent::NotNow(format!("the system gives no thread for it: {error}"));
        }
        match told.await {
            Ok(Ok(status)) => judged(&host, status),
            // These would say all of the URL.
            Ok(Err(Error::BadUri(_) | Error::RequireHttpsOnly(_))) => Sent::Never("that is no URL for a POST".into()),
            Ok(Err(error)) => Sent::NotNow(format!("{host} cannot be told: {error}")),
            Err(_) => Sent::NotNow("a fault of Bramble's own; its log says more".into()),
        }
    }
}

fn new_agent(patience: Duration, https_only: bool, roots: &Roots) -> Agent {
    let certs: Vec<Certificate<'static>> =
        roots.all().iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certs)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .https_only(https_only)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(patience))
        .max_idle_connections(0)
        .user_agent(format!("bramble/{}", protocol::VERSION))
        .build()
        .new_agent()
}

fn judged(host: &str, status: StatusCode) -> Sent {
    let said = format!("{host} says {status}");
    match status {
        _ if status.is_success() => Sent::Told,
        _ if status.is_redirection() => {
            Sent::Never(format!("{said}, and no redirect is followed; name the URL it leads to"))
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Sent::NotNow(said),
        _ if status.is_client_error() => Sent::Never(said),
        _ => Sent::NotNow(said),
    }
}

/// The host of a URL with its port, if it is one.
pub fn host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
    Some(uri.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

/// Whether it is told to everybody on the way.
pub fn is_plain(url: &str) -> bool {
    url.parse::<Uri>().ok().and_then(|uri| Some(uri.scheme_str()? == "http")).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_final_or_not() {
        let judged = |status: u16| judged("h", StatusCode::from_u16(status).unwrap());
        for told in [200, 202, 204] {
            assert_eq!(judged(told), Sent::Told);
        }
        for never in [301, 308, 400, 401, 404, 410] {
            assert!(matches!(judged(never), Sent::Never(_)), "{never}");
        }
        for again in [408, 429, 500, 503] {
            assert!(matches!(judged(again), Sent::NotNow(_)), "{again}");
        }
        assert_eq!(judged(404), Sent::Never("h says 404 Not Found".into()));
    }

    #[test]
    fn a_lane_is_a_host_and_its_port() {
        assert_eq!(host("https://Example.org/a?b").as_deref(), Some("example.org"));
        assert_eq!(host("http://ana:pass@10.0.0.7:8080/").as_deref(), Some("10.0.0.7:8080"));
        assert_eq!(host("https://[::1]:9/x").as_deref(), Some("[::1]:9"));
        for none in ["https://", "https://a b/", "x"] {
            assert!(host(none).is_none_or(|host| none == "x" && host == "x"), "{none}");
        }
        assert!(is_plain("http://x/") && !is_plain("https://x/"));
    }
}
