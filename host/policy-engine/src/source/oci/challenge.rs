//! What a registry asks for before it answers.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// How a request has to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By user and password.
    Basic,
    /// By a token of this place.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The first challenge of an answer that we can meet; a token rather than a password.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let known: Vec<_> = values.filter_map(Self::read).collect();
        known.iter().find(|challenge| matches!(challenge, Self::Bearer { .. })).or(known.first()).cloned()
    }

    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parts = parts(rest);
        let part = |name: &str| {
            parts.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        Some(Self::Bearer { realm: part("realm")?, service: part("service"), scope: part("scope") })
    }
}

/// `name="value"` and `name=value`, with commas between; commas within quotes belong to the value.
fn parts(text: &str) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').map_or((after, ""), |(value, after)| (value.trim_end(), after)),
        };
        parts.push((name.trim().to_owned(), value.to_owned()));
        rest = after.trim_start_matches([',', ' ']);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    #[test]
    fn challenges_are_read_and_tokens_preferred() {
        let bearer = Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: Some("registry, one".to_owned()),
            scope: Some("repository:a/b:pull,push".to_owned()),
        };
        let text =
            r#"Bearer realm="https://auth.example/token", service="registry, one",scope="repository:a/b:pull,push""#;
        assert_eq!(of(&[r#"Basic realm="x""#, text]), Some(bearer));
        assert_eq!(of(&["basic realm=x"]), Some(Challenge::Basic));
        let bare = Challenge::Bearer { realm: "https://a".to_owned(), service: Some("s".to_owned()), scope: None };
        assert_eq!(of(&["bearer realm=https://a, service=s"]), Some(bare));
    }

    #[test]
    fn what_we_cannot_meet_is_none() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["Negotiate"]), None);
        assert_eq!(of(&[r#"Bearer service="no realm""#]), None);
        assert_eq!(
            of(&["Bearer realm="]),
            Some(Challenge::Bearer { realm: String::new(), service: None, scope: None })
        );
    }
}
