//! Watches that are held back: the controller's cache lags behind while the API answers live reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use axum::body::Body as AnswerBody;
use futures::StreamExt as _;
use http::Response;
use tokio::sync::watch;

use super::faults::plural;

/// The kinds whose watches are held back.
#[derive(Debug, Default)]
pub struct Lag {
    /// By the plural of each: whether a change has come since.
    held: watch::Sender<BTreeMap<String, bool>>,
}

impl Lag {
    /// From now on the watches of a kind tell nothing; the empty kind is the remediation.
    pub fn hold(&self, kind: &str) {
        self.held.send_modify(|held| {
            held.insert(plural(kind), false);
        });
    }

    /// The watches of a kind tell what they have missed. A kind that has missed nothing is a fault: the scenario then
    /// shows nothing.
    pub fn release(&self, kind: &str) -> anyhow::Result<()> {
        let mut released = None;
        self.held.send_modify(|held| released = held.remove(&plural(kind)));
        let has_missed = released.with_context(|| format!("no watch of {kind} is held back"))?;
        ensure!(has_missed, "while watches of {kind} were held back, nothing of it has changed");
        Ok(())
    }

    /// Lays itself over the answer of a watch.
    pub fn lay(self: Arc<Self>, plural: String, answer: Response<AnswerBody>) -> Response<AnswerBody> {
        let (head, body) = answer.into_parts();
        let lines = body.into_data_stream().filter_map(move |line| {
            let (lag, plural) = (Arc::clone(&self), plural.clone());
            async move {
                match &line {
                    Ok(told) if !lag.passes(&plural, told).await => None,
                    _ => Some(line),
                }
            }
        });
        Response::from_parts(head, AnswerBody::from_stream(lines))
    }

    /// Resolves once a line may be told; false where it need not be any more. A bookmark is left out while its watch is
    /// held back: it would stand before the changes that are to be missed.
    async fn passes(&self, plural: &str, line: &[u8]) -> bool {
        let told = [&b"\"ADDED\""[..], b"\"MODIFIED\"", b"\"DELETED\""];
        let is_change = told.iter().any(|kind| line.windows(kind.len()).any(|part| part == *kind));
        let mut is_held = false;
        self.held.send_if_modified(|held| {
            if let Some(has_missed) = held.get_mut(plural) {
                *has_missed |= is_change;
                is_held = true;
            }
            // Nobody has to be told of it.
            false
        });
        // The sender is this one, so it does not end before.
        let _ = self.held.subscribe().wait_for(|held| !is_change || !held.contains_key(plural)).await;
        is_change || !is_held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    async fn next(body: &mut axum::body::BodyDataStream) -> Option<String> {
        Some(String::from_utf8_lossy(&body.next().await?.unwrap()).into_owned())
    }

    #[tokio::test]
    async fn a_watch_that_is_held_back_tells_everything_in_order_afterwards() {
        let lag = Arc::new(Lag::default());
        let lines = [r#"{"type":"ADDED"}"#, r#"{"type":"BOOKMARK"}"#, r#"{"type":"DELETED"}"#];
        let answer = || {
            let told = lines.map(Ok::<_, std::convert::Infallible>);
            Response::new(AnswerBody::from_stream(futures::stream::iter(told)))
        };
        lag.hold("AIAnalysis");
        let mut other = Arc::clone(&lag).lay(plural("SignalProcessing"), answer()).into_body().into_data_stream();
        assert_eq!(next(&mut other).await.as_deref(), Some(lines[0]), "another kind is not held back");
        let mut held = Arc::clone(&lag).lay(plural("AIAnalysis"), answer()).into_body().into_data_stream();
        assert!(next(&mut held).now_or_never().is_none());
        lag.release("AIAnalysis").unwrap();
        for line in lines {
            assert_eq!(next(&mut held).await.as_deref(), Some(line), "once it is released, bookmarks are told again");
        }
        assert_eq!(next(&mut held).await, None);
    }

    #[tokio::test]
    async fn a_bookmark_is_left_out_and_hides_no_change() {
        let lag = Arc::new(Lag::default());
        let told = [r#"{"type":"BOOKMARK"}"#, r#"{"type":"DELETED"}"#].map(Ok::<_, std::convert::Infallible>);
        let answer = Response::new(AnswerBody::from_stream(futures::stream::iter(told)));
        lag.hold("");
        let mut held = Arc::clone(&lag).lay(plural(""), answer).into_body().into_data_stream();
        assert!(next(&mut held).now_or_never().is_none());
        lag.release("").unwrap();
        assert_eq!(next(&mut held).await.as_deref(), Some(r#"{"type":"DELETED"}"#));
    }

    #[tokio::test]
    async fn to_hold_back_nothing_is_a_fault() {
        let lag = Lag::default();
        assert!(lag.release("").is_err(), "it is not held back");
        lag.hold("");
        lag.held.send_modify(|held| assert!(held.contains_key("remediationrequests")));
        assert!(lag.release("").unwrap_err().to_string().contains("nothing of it has changed"));
    }
}
