//! The watch of one kind: in every namespace, in one, or in several whose watches are told as one.
//!
//! Several namespaces work independently: one that may not be read keeps nobody from seeing the others.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, SelectAll};
use futures::{Stream, StreamExt as _};
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use kube_runtime::watcher::{self, Event, watcher};
use kube_runtime::{WatchStreamExt as _, watcher::Error};
use trimtab_api::Kind;

use super::{ControllerError, PAGE_SIZE};
use crate::backoff::WatchBackoff;
use crate::cache::Cache;
use crate::discovery::Discovery;
use crate::errors::{ErrorClass, answer};
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
    match namespaces {
        [] => of_namespace(client, kind, None, discovery).boxed(),
        [one] => of_namespace(client, kind, Some(one), discovery).boxed(),
        several => {
            let of = |(place, namespace): (usize, &String)| {
                let changes = of_namespace(client, kind, Some(namespace), discovery);
                patient(changes).map(move |change| (place, change)).boxed()
            };
            let watches = several.iter().enumerate().map(of).collect();
            joined(watches, several.to_vec(), Arc::clone(cache)).boxed()
        }
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
    watcher(api(client, kind, namespace), watched).backoff(WatchBackoff::new(kind.kind())).inspect(move |change| {
        match change {
            Ok(Event::InitDone) => discovery.watch_works(kind, &place),
            Ok(_) => {}
            Err(error) => discovery.watch_failed(kind, &place, error),
        }
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
        match api.list(&kube::api::ListParams::default().limit(1)).await {
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
    namespaces: Vec<Namespace>,
    cache: Arc<Cache>,
    /// Whether the first list of all has been told.
    is_complete: bool,
    /// Objects of a first list that went before the list of all was there.
    gone: Vec<Object>,
    ready: VecDeque<Change>,
}

#[derive(Default)]
struct Namespace {
    name: String,
    first: First,
    /// Names in the list that is arriving.
    listed: HashSet<String>,
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

fn joined(
    watches: Vec<BoxStream<'static, (usize, Change)>>,
    names: Vec<String>,
    cache: Arc<Cache>,
) -> impl Stream<Item = Change> + Send {
    let joined = Joined {
        watches: stream::select_all(watches),
        namespaces: names.into_iter().map(|name| Namespace { name, ..Namespace::default() }).collect(),
        cache,
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
        let Some(namespace) = self.namespaces.get_mut(place) else { return };
        match change {
            Ok(Event::Init) => namespace.listed.clear(),
            Ok(Event::InitApply(object)) => {
                namespace.listed.insert(object.name_any());
                self.applied(object);
            }
            Ok(Event::InitDone) => {
                namespace.first = First::Told;
                if self.is_complete {
                    self.forget_unlisted(place);
                } else {
                    self.complete();
                }
            }
            Ok(Event::Apply(object)) => self.applied(object),
            Ok(Event::Delete(object)) if self.is_complete => self.ready.push_back(Ok(Event::Delete(object))),
            Ok(Event::Delete(object)) => self.gone.push(object),
            Err(error) => {
                if namespace.first == First::Awaited && is_forbidden(&error) {
                    namespace.first = First::Refused;
                }
                self.ready.push_back(Err(error));
                self.complete();
            }
        }
    }

    fn applied(&mut self, object: Object) {
        if !self.is_complete {
            self.gone.retain(|gone| gone.uid() != object.uid());
        }
        let event = if self.is_complete { Event::Apply(object) } else { Event::InitApply(object) };
        self.ready.push_back(Ok(event));
    }

    /// Tells the end of the first list, once there is nothing to wait for and something was told.
    fn complete(&mut self) {
        let firsts = || self.namespaces.iter().map(|namespace| namespace.first);
        if self.is_complete
            || firsts().any(|first| first == First::Awaited)
            || firsts().all(|first| first == First::Refused)
        {
            return;
        }
        self.is_complete = true;
        self.ready.push_back(Ok(Event::InitDone));
        self.ready.extend(self.gone.drain(..).map(|object| Ok(Event::Delete(object))));
    }

    /// What a later list of a namespace does not have any more is gone.
    fn forget_unlisted(&mut self, place: usize) {
        let Some(namespace) = self.namespaces.get_mut(place) else { return };
        let listed = std::mem::take(&mut namespace.listed);
        let gone = self.cache.list(&namespace.name).into_iter().map(Object::of);
        let gone = gone.filter(|known| !listed.contains(&known.name_any()));
        self.ready.extend(gone.map(|gone| Ok(Event::Delete(gone))));
    }
}

fn is_forbidden(error: &Error) -> bool {
    let status = match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => answer(error),
        Error::WatchError(status) => Some(&**status),
        Error::NoResourceVersion => None,
    };
    status.is_some_and(|status| ErrorClass::of(status) == ErrorClass::Forbidden)
}

#[cfg(test)]
mod tests;
