//! The watch of one kind: in every namespace, in one, or in several whose watches are told as one.
//!
//! Several namespaces work independently: one that may not be read keeps nobody from seeing the others.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, SelectAll};
use futures::{Stream, StreamExt as _};
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use kube_runtime::watcher::{self, Error, Event, watcher};
use trimtab_api::Kind;

use super::{ControllerError, PAGE_SIZE, lists};
use crate::backoff::{WatchBackoff, backing_off};
use crate::cache::Cache;
use crate::cluster::REQUEST_TIMEOUT;
use crate::discovery::Discovery;
use crate::errors::{ErrorClass, answer, watch_answer};
use crate::object::{Object, Of};

/// Wait before one namespace of several is tried again that may not be read.
const CLOSED_PAUSE: Duration = Duration::from_secs(30);

type Change = Result<Event<Object>, Error>;

/// Every change of a kind in these namespaces; none for all of them. `cache` is what the changes will fill.
pub(super) fn changes(
    client: &Client,
    kind: Kind,
    namespaces: &[String],
    cache: &Arc<Cache>,
    discovery: &Arc<Discovery>,
) -> BoxStream<'static, Change> {
    let of = |namespace: Option<&str>| {
        let changes = of_namespace(client, kind, namespace, discovery);
        lists::told(changes.boxed(), namespace.unwrap_or_default(), Arc::clone(cache))
    };
    match namespaces {
        [] => of(None).boxed(),
        [one] => of(Some(one)).boxed(),
        several => joined(several.iter().map(|one| patient(of(Some(one))).boxed()).collect()).boxed(),
    }
}

/// The watch of one namespace, or of all. What it tells of the kind itself is heard by `discovery`.
fn of_namespace(
    client: &Client,
    kind: Kind,
    namespace: Option<&str>,
    discovery: &Arc<Discovery>,
) -> impl Stream<Item = Change> + Send + use<> {
    let (discovery, place) = (Arc::clone(discovery), namespace.unwrap_or_default().to_owned());
    let watched = watcher::Config::default().page_size(PAGE_SIZE);
    let watched = watcher(api(client, kind, namespace), watched);
    backing_off(watched, WatchBackoff::new(kind.kind())).inspect(move |change| match change {
        Ok(Event::InitDone) => discovery.watch_works(kind, &place),
        Ok(_) => {}
        Err(error) => discovery.watch_failed(kind, &place, error),
    })
}

/// Waits before a namespace that may not be read is tried again: nobody misses it, and the log stays readable.
fn patient(changes: impl Stream<Item = Change> + Send + 'static) -> impl Stream<Item = Change> + Send {
    let state = (changes.boxed(), false);
    stream::unfold(state, |(mut changes, is_closed)| async move {
        if is_closed {
            tokio::time::sleep(CLOSED_PAUSE).await;
        }
        let change = changes.next().await?;
        let is_closed = change.as_ref().is_err_and(is_forbidden);
        Some((change, (changes, is_closed)))
    })
}

pub(super) fn api(client: &Client, kind: Kind, namespace: Option<&str>) -> Api<Object> {
    let resource = Of(kind);
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// One request for each namespace before the watches, so that a wrong address is one clear line instead of a log of
/// retries. A namespace that may not be read is only told, as long as another one can be.
pub(super) async fn check(client: &Client, namespaces: &[String]) -> Result<(), ControllerError> {
    let all = [None];
    let places: Vec<Option<&str>> =
        if namespaces.is_empty() { all.to_vec() } else { namespaces.iter().map(|name| Some(name.as_str())).collect() };
    let mut refused = None;
    let mut readable = 0_usize;
    for place in places {
        let api = api(client, Kind::RemediationRequest, place);
        let one = kube::api::ListParams::default().limit(1);
        let listed = tokio::time::timeout(REQUEST_TIMEOUT, api.list(&one)).await;
        match listed.unwrap_or_else(|_| Err(kube::Error::Service("no answer within 10 s".into()))) {
            Ok(_) => readable += 1,
            Err(kube::Error::Api(status)) if status.code == 404 => return Err(ControllerError::NotInstalled),
            Err(error) if answer(&error).is_some_and(|status| ErrorClass::of(status) == ErrorClass::Forbidden) => {
                tracing::warn!(namespace = place, %error, "the remediations of a namespace may not be read");
                refused = Some(error);
            }
            Err(error) => return Err(ControllerError::Unreachable(error)),
        }
    }
    match refused {
        Some(error) if readable == 0 => Err(ControllerError::Unreachable(error)),
        _ => Ok(()),
    }
}

/// Several watches as one, whose first list is there once each has its own, or may not have one.
struct Joined {
    watches: SelectAll<BoxStream<'static, (usize, Change)>>,
    /// The first list of each.
    firsts: Vec<First>,
    /// Whether the first list of all has been told.
    is_complete: bool,
    /// Objects of a first list that went before the list of all was there.
    gone: Vec<Object>,
    ready: VecDeque<Change>,
}

/// The first list of a namespace.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum First {
    #[default]
    Awaited,
    /// It may not be read; should that change, its objects are told one by one.
    Refused,
    Told,
}

fn joined(watches: Vec<BoxStream<'static, Change>>) -> impl Stream<Item = Change> + Send {
    let firsts = vec![First::Awaited; watches.len()];
    let placed = |(place, watch): (usize, BoxStream<'static, Change>)| watch.map(move |change| (place, change)).boxed();
    let joined = Joined {
        watches: stream::select_all(watches.into_iter().enumerate().map(placed)),
        firsts,
        is_complete: false,
        gone: Vec::new(),
        ready: VecDeque::from([Ok(Event::Init)]),
    };
    stream::unfold(joined, |mut joined| async move {
        loop {
            if let Some(change) = joined.ready.pop_front() {
                return Some((change, joined));
            }
            let (place, change) = joined.watches.next().await?;
            joined.hear(place, change);
        }
    })
}

impl Joined {
    fn hear(&mut self, place: usize, change: Change) {
        let Some(first) = self.firsts.get_mut(place) else { return };
        match change {
            Ok(Event::Init) => {}
            Ok(Event::InitDone) => {
                *first = First::Told;
                self.complete();
            }
            Ok(Event::InitApply(object) | Event::Apply(object)) => self.applied(object),
            Ok(Event::Delete(object)) if self.is_complete => self.ready.push_back(Ok(Event::Delete(object))),
            Ok(Event::Delete(object)) => self.gone.push(object),
            Err(error) => {
                if *first == First::Awaited && is_forbidden(&error) {
                    *first = First::Refused;
                }
                self.ready.push_back(Err(error));
                self.complete();
            }
        }
    }

    fn applied(&mut self, object: Object) {
        if !self.is_complete {
            // It is there again, or another one of its name is.
            self.gone.retain(|gone| (gone.namespace(), gone.name_any()) != (object.namespace(), object.name_any()));
        }
        let event = if self.is_complete { Event::Apply(object) } else { Event::InitApply(object) };
        self.ready.push_back(Ok(event));
    }

    /// Tells the end of the first list, once there is nothing to wait for and something was told.
    fn complete(&mut self) {
        if self.is_complete
            || self.firsts.contains(&First::Awaited)
            || self.firsts.iter().all(|first| *first == First::Refused)
        {
            return;
        }
        self.is_complete = true;
        self.ready.push_back(Ok(Event::InitDone));
        self.ready.extend(self.gone.drain(..).map(|object| Ok(Event::Delete(object))));
    }
}

fn is_forbidden(error: &Error) -> bool {
    watch_answer(error).is_some_and(|status| ErrorClass::of(status) == ErrorClass::Forbidden)
}

#[cfg(test)]
mod tests;
