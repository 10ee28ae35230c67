//! Watches: a cursor into the shared history, so a slow client costs no memory.
//!
//! A watch holds no queue. It reads the history after its cursor when it is polled; if the history
//! has moved on past the cursor, the watch ends with a 410 `ERROR` event, as the real one does.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::kinds::ResourceKind;
use crate::listen::is_stopping;
use crate::request::{Form, Query};
use crate::store::{Change, State, Store};
use crate::table::{RowObject, partial, table};
use crate::verbs::Target;
use crate::verbs::read::Selection;
use crate::view;

/// Changes read from the history under one lock.
const BATCH: usize = 128;
/// Time between bookmarks on a quiet watch.
const BOOKMARK_PERIOD: Duration = Duration::from_mins(1);
/// How long a watch lives that names no `timeoutSeconds`.
const LIFETIME: Duration = Duration::from_mins(45);
/// Longest accepted `timeoutSeconds`: a day.
const LIFETIME_SECONDS_MAX: u64 = 86_400;

/// Marks the bookmark after the last initial event.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// One open watch.
pub(crate) struct Watch {
    store: Weak<Store>,
    revisions: Receiver<u64>,
    stopped: Option<Receiver<bool>>,
    kind: Arc<ResourceKind>,
    selection: Selection,
    form: Form,
    row_object: RowObject,
    has_bookmarks: bool,
    deadline: Instant,
    next_bookmark: Instant,
    /// Every change up to here has been looked at.
    cursor: u64,
    pending: VecDeque<Event>,
    is_ended: bool,
    has_sent_headers: bool,
}

enum Event {
    Object(&'static str, Arc<Value>),
    /// A bookmark at a revision; `true` where it ends the initial events.
    Bookmark(u64, bool),
    Failed(Failure),
}

/// How a watch is to be served.
pub(crate) struct WatchOptions {
    pub(crate) form: Form,
    pub(crate) row_object: RowObject,
    /// Turns true when the listener shuts down.
    pub(crate) stopped: Option<Receiver<bool>>,
}

impl Watch {
    /// Opens a watch on what `target` and `query` select.
    pub(crate) fn open(
        store: &Arc<Store>,
        target: &Target,
        query: &Query,
        options: WatchOptions,
    ) -> Result<Self, Failure> {
        let selection = Selection::parse(target, query)?;
        let has_bookmarks = query.flag("allowWatchBookmarks");
        let initial = InitialEvents::parse(query)?;
        let seconds = query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
        let lifetime = seconds.map_or(LIFETIME, |seconds| Duration::from_secs(seconds.min(LIFETIME_SECONDS_MAX)));
        let now = Instant::now();
        let mut watch = Self {
            store: Arc::downgrade(store),
            revisions: store.revisions(),
            stopped: options.stopped,
            kind: Arc::clone(&target.kind),
            selection,
            form: options.form,
            row_object: options.row_object,
            has_bookmarks,
            deadline: now + lifetime,
            next_bookmark: now + BOOKMARK_PERIOD,
            cursor: 0,
            pending: VecDeque::new(),
            is_ended: false,
            has_sent_headers: false,
        };
        watch.start(&store.lock(), query.revision()?, initial)?;
        Ok(watch)
    }

    fn start(&mut self, state: &State, asked: Option<u64>, initial: InitialEvents) -> Result<(), Failure> {
        self.cursor = state.revision;
        if let Some(asked) = asked.filter(|asked| *asked > state.revision) {
            return Err(Failure::version_too_large(asked, state.revision));
        }
        let replays = match (initial, asked) {
            (InitialEvents::Wanted, _) | (InitialEvents::Unsaid, None | Some(0)) => true,
            (InitialEvents::Unwanted | InitialEvents::Unsaid, _) => false,
        };
        if replays {
            let table = state.tables.get(&self.kind.storage);
            for (name, object) in table.into_iter().flatten() {
                if self.selection.matches(name, &view::served(&self.kind, object)) {
                    self.pending.push_back(Event::Object("ADDED", Arc::clone(object)));
                }
            }
            if initial == InitialEvents::Wanted && self.has_bookmarks {
                self.pending.push_back(Event::Bookmark(state.revision, true));
            }
        } else if let Some(asked) = asked.filter(|asked| *asked > 0) {
            self.cursor = asked;
        }
        Ok(())
    }

    /// The watch as the lines of a response body.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
        futures::stream::unfold(self, |mut watch| async move {
            let line = watch.next().await?;
            Some((Ok(line), watch))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(self.line(event));
            }
            if self.is_ended {
                return None;
            }
            self.read()?;
            if self.pending.is_empty() && !self.is_ended {
                self.wait().await;
            }
        }
    }

    /// Takes the next batch out of the history; `None` once the cluster is gone.
    fn read(&mut self) -> Option<()> {
        let store = self.store.upgrade()?;
        loop {
            let state = store.lock();
            if state.is_closed() {
                return None;
            }
            if self.cursor < state.horizon {
                let why = format!("too old resource version: {} ({})", self.cursor, state.horizon);
                self.pending.push_back(Event::Failed(Failure::expired(why)));
                self.is_ended = true;
                return Some(());
            }
            let changes = state.changes_after(self.cursor, BATCH);
            let Some(last) = changes.last() else {
                self.cursor = state.revision;
                let name = &self.kind.name;
                // A removed definition ends its watches, after the last of its objects.
                self.is_ended = state.registry.find(&name.group, &self.kind.version, &name.plural).is_none();
                return Some(());
            };
            self.cursor = last.revision;
            drop(state);
            for change in &changes {
                let event = self.event_of(change);
                self.pending.extend(event);
            }
            if !self.pending.is_empty() {
                return Some(());
            }
        }
    }

    /// What the change means to this watch, whose selection may have gained or lost the object.
    fn event_of(&self, change: &Change) -> Option<Event> {
        if change.at.storage != self.kind.storage {
            return None;
        }
        let fits = |object: &Arc<Value>| self.selection.matches(&change.at.name, &view::served(&self.kind, object));
        let before = change.previous.as_ref().is_some_and(fits);
        let after = !change.is_removal && fits(&change.object);
        match (before, after) {
            (false, true) => Some(Event::Object("ADDED", Arc::clone(&change.object))),
            (true, true) => Some(Event::Object("MODIFIED", Arc::clone(&change.object))),
            (true, false) => {
                let mut last = change.previous.as_deref()?.clone();
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                Some(Event::Object("DELETED", Arc::new(last)))
            }
            (false, false) => None,
        }
    }

    async fn wait(&mut self) {
        let cursor = self.cursor;
        let wake = if self.has_bookmarks { self.next_bookmark.min(self.deadline) } else { self.deadline };
        let stopped = async {
            match &mut self.stopped {
                Some(stopped) => is_stopping(stopped).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            newer = self.revisions.wait_for(|revision| *revision > cursor) => self.is_ended = newer.is_err(),
            () = stopped => self.is_ended = true,
            () = tokio::time::sleep_until(wake) => {
                if self.has_bookmarks {
                    self.pending.push_back(Event::Bookmark(cursor, false));
                }
                self.next_bookmark = Instant::now() + BOOKMARK_PERIOD;
                self.is_ended = wake == self.deadline;
            }
        }
    }

    fn line(&mut self, event: Event) -> Bytes {
        let (kind, object) = match event {
            Event::Object(kind, object) => {
                let served = view::served(&self.kind, &object);
                (kind, self.shaped(&served))
            }
            Event::Bookmark(revision, is_initial_end) => {
                let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
                if is_initial_end {
                    metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
                }
                let bare = json!({"kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata});
                ("BOOKMARK", self.shaped(&bare))
            }
            Event::Failed(failure) => ("ERROR", failure.status()),
        };
        let mut line = json!({"type": kind, "object": object}).to_string();
        line.push('\n');
        Bytes::from(line)
    }

    fn shaped(&mut self, object: &Value) -> Value {
        match self.form {
            Form::Whole => object.clone(),
            Form::Metadata => partial(object),
            Form::Table => {
                let now = self.store.upgrade().map_or(0, |store| store.lock().clock.now().as_second());
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let one = std::iter::once(object);
                let mut table = table(&self.kind, one, &metadata, self.row_object, now);
                if std::mem::replace(&mut self.has_sent_headers, true) {
                    table["columnDefinitions"] = json!([]);
                }
                table
            }
        }
    }
}

/// Whether the present objects come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InitialEvents {
    Unsaid,
    Wanted,
    Unwanted,
}

impl InitialEvents {
    fn parse(query: &Query) -> Result<Self, Failure> {
        let forbidden = |why| Err(Failure::forbidden_option("ListOptions", "resourceVersionMatch", why));
        let matching = query.text("resourceVersionMatch");
        match (query.text("sendInitialEvents"), matching) {
            (None, None) => Ok(Self::Unsaid),
            (None, Some(_)) => {
                forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
            }
            (Some(_), Some("NotOlderThan")) if query.flag("sendInitialEvents") => Ok(Self::Wanted),
            (Some(_), Some("NotOlderThan")) => Ok(Self::Unwanted),
            (Some(_), _) => forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        }
    }
}
