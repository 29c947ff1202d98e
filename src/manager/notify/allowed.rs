//! What this manager can tell to whom: asked when it starts, and for each job before it is taken.

use lettre::Address;
use protocol::api::Refusal;
use protocol::notify::Notify;

use super::super::config::Config;
use super::{mail, roots, web};

/// That what an admin has set up can be used.
pub fn check(config: &Config) -> anyhow::Result<()> {
    if let Some(path) = config.mail.as_ref().and_then(|mail| mail.credentials.as_deref()) {
        mail::credentials(path)?;
    }
    config.notify.ca.as_deref().map_or(Ok(()), |path| roots::read(path).map(drop))
}

/// Why the end of a job could never be told there.
pub fn refusal(config: &Config, places: &[Notify]) -> Option<Refusal> {
    places.iter().find_map(|place| match place {
        Notify::Mail(_) if config.mail.is_none() => Some(Refusal::refused(format!(
            "{place} cannot be told: this manager sends no mail; an admin names a mail server under [mail] in its configuration, which bramble config explains"
        ))),
        Notify::Mail(address) => {
            let bad = address.parse::<Address>().err()?;
            Some(Refusal::usage(format!("{place} is no mail address: {bad}; write it as in mail:ana@example.org")))
        }
        Notify::Web(url) => {
            if web::host(url).is_none() {
                return Some(Refusal::usage(format!("{url} is no URL; write it as in https://example.org/hook")));
            }
            let open = web::is_plain(url) && !config.notify.plain_http;
            open.then(|| Refusal::refused(format!(
                "{} would be told for everybody on the way to read; use https://, or let an admin set plain_http = true under [notify] in the manager's configuration",
                place.shown()
            )))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_never_be_told_is_refused_in_a_sentence() {
        let config = |text: &str| toml::from_str::<Config>(text).unwrap();
        let bare = Config::default();
        let all = config("[mail]\nserver = \"m\"\nfrom = \"b@x.org\"\n[notify]\nplain_http = true\n");
        let why = |config: &Config, place: &str| {
            refusal(config, &[place.parse().unwrap()]).map(|refusal| refusal.message).unwrap_or_default()
        };
        assert!(why(&bare, "mail:ana@example.org").contains("under [mail]"));
        assert!(why(&bare, "http://example.org/T0KEN").contains("plain_http"));
        assert!(!why(&bare, "http://example.org/T0KEN").contains("T0KEN"));
        assert_eq!(why(&bare, "https://example.org/x"), "");
        assert_eq!(why(&all, "mail:ana@example.org"), "");
        assert_eq!(why(&all, "http://10.0.0.7:8080/"), "");
        for bad in ["mail:a,b@example.org", "mail:a@b@c", "mail:<ana>@example.org"] {
            assert!(why(&all, bad).contains("no mail address"), "{bad}: {}", why(&all, bad));
        }
        assert!(why(&all, "https://exa{mple.org/").contains("no URL"));
    }
}
