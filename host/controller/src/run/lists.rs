//! The lists of one watch, told as what has changed: a watch that broke lists anew and does not say what went meanwhile.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use kube::ResourceExt as _;
use kube_runtime::watcher::{Error, Event};

use crate::cache::{self, Cache};
use crate::object::Object;

type Change = Result<Event<Object>, Error>;

/// The changes of one watch, with the objects of every list but the first one by one, and a deletion for each known object
/// that a list does not have any more.
///
/// `namespace` is the one that is watched, empty for all. `cache` is what the changes fill: it has each before the next is
/// asked for.
pub(super) fn told(
    changes: BoxStream<'static, Change>,
    namespace: &str,
    cache: Arc<Cache>,
) -> impl Stream<Item = Change> + Send + use<> {
    let namespace = namespace.to_owned();
    let lists = Lists { namespace, cache, is_first: true, listed: HashSet::new(), ready: VecDeque::new() };
    stream::unfold((changes, lists), |(mut changes, mut lists)| async move {
        loop {
            if let Some(change) = lists.ready.pop_front() {
                return Some((change, (changes, lists)));
            }
            lists.hear(changes.next().await?);
        }
    })
}

struct Lists {
    namespace: String,
    cache: Arc<Cache>,
    /// Whether no list has come to its end yet.
    is_first: bool,
    /// Objects of the list that is arriving, as the cache names them.
    listed: HashSet<Box<str>>,
    ready: VecDeque<Change>,
}

impl Lists {
    fn hear(&mut self, change: Change) {
        match change {
            Ok(Event::Init) => {
                self.listed = HashSet::new();
                if self.is_first {
                    self.ready.push_back(Ok(Event::Init));
                }
            }
            Ok(Event::InitApply(object)) => {
                self.listed.insert(cache::key_of(&object));
                self.ready.extend(self.predecessor(&object).map(|gone| Ok(Event::Delete(gone))));
                let event = if self.is_first { Event::InitApply(object) } else { Event::Apply(object) };
                self.ready.push_back(Ok(event));
            }
            Ok(Event::InitDone) => {
                let listed = std::mem::take(&mut self.listed);
                let gone = self.cache.unlisted(&self.namespace, &listed);
                self.ready.extend(gone.into_iter().map(|gone| Ok(Event::Delete(Object::of(gone)))));
                if std::mem::take(&mut self.is_first) {
                    self.ready.push_back(Ok(Event::InitDone));
                }
            }
            change => self.ready.push_back(change),
        }
    }

    /// A known object of the same name that is another one: it is gone.
    fn predecessor(&self, object: &Object) -> Option<Object> {
        let known = self.cache.get(&object.namespace().unwrap_or_default(), &object.name_any()).map(Object::of)?;
        (known.uid() != object.uid()).then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::channel::mpsc::unbounded;
    use serde_json::json;

    use super::*;

    fn object(namespace: &str, name: &str, uid: &str) -> Object {
        Object::new(json!({"metadata": {"name": name, "namespace": namespace, "uid": uid}}))
    }

    fn list(objects: &[(&str, &str, &str)]) -> Vec<Event<Object>> {
        let listed = objects.iter().map(|(namespace, name, uid)| Event::InitApply(object(namespace, name, uid)));
        [Event::Init].into_iter().chain(listed).chain([Event::InitDone]).collect()
    }

    /// Carries each batch into a cache; the words for what was told of it.
    fn words<const N: usize>(namespace: &str, batches: [Vec<Event<Object>>; N]) -> [Vec<String>; N] {
        let (sender, changes) = unbounded();
        let cache: Arc<Cache> = Arc::default();
        let mut told = told(changes.boxed(), namespace, Arc::clone(&cache)).boxed();
        batches.map(|batch| {
            for event in batch {
                sender.unbounded_send(Ok(event)).unwrap();
            }
            let mut words = Vec::new();
            while let Some(Some(Ok(event))) = told.next().now_or_never() {
                cache.apply(&event);
                let (word, object) = match &event {
                    Event::Init => ("init", None),
                    Event::InitApply(object) => ("first", Some(object)),
                    Event::InitDone => ("done", None),
                    Event::Apply(object) => ("apply", Some(object)),
                    Event::Delete(object) => ("delete", Some(object)),
                };
                words.push(object.map_or(word.to_owned(), |object| format!("{word} {}", object.uid().unwrap())));
            }
            words
        })
    }

    #[test]
    fn what_a_later_list_lacks_is_told_to_be_gone() {
        for namespace in ["", "ns"] {
            let first = [("ns", "kept", "a"), ("ns", "lost", "b")];
            let [told, later] = words(namespace, [list(&first), list(&first[..1])]);
            assert_eq!(told, ["init", "first a", "first b", "done"]);
            assert_eq!(later, ["apply a", "delete b"]);
        }
    }

    #[test]
    fn a_list_of_one_namespace_takes_nothing_from_another() {
        let elsewhere = Event::Apply(object("other", "one", "c"));
        let [_, later] = words("ns", [vec![elsewhere], list(&[("ns", "one", "a")])]);
        assert_eq!(later, ["init", "first a", "done"]);
    }

    #[test]
    fn a_predecessor_of_the_same_name_is_told_to_be_gone_before_its_successor() {
        let [_, later] = words("", [list(&[("ns", "one", "old")]), list(&[("ns", "one", "new")])]);
        assert_eq!(later, ["delete old", "apply new"]);
    }

    #[test]
    fn a_list_that_broke_off_is_made_up_for_by_the_next() {
        let mut broken = list(&[("ns", "short", "b")]);
        broken.pop();
        let [_, begun, whole] = words("", [list(&[("ns", "one", "a")]), broken, list(&[("ns", "one", "a")])]);
        assert_eq!(begun, ["apply b"]);
        assert_eq!(whole, ["apply a", "delete b"]);
    }
}
