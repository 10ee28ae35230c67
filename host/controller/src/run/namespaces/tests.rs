//! Watches of several namespaces, told as one.

use futures::FutureExt as _;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::core::Status;
use serde_json::json;

use super::*;

fn object(namespace: &str, name: &str) -> Object {
    Object::new(json!({"metadata": {"name": name, "namespace": namespace, "uid": format!("{namespace}-{name}")}}))
}

fn forbidden() -> Change {
    let status = Status { code: 403, reason: "Forbidden".to_owned(), ..Status::default() };
    Err(Error::InitialListFailed(kube::Error::Api(Box::new(status))))
}

struct Two {
    a: UnboundedSender<Change>,
    b: UnboundedSender<Change>,
    joined: BoxStream<'static, Change>,
    cache: Arc<Cache>,
}

impl Two {
    fn new() -> Self {
        let ((a, from_a), (b, from_b)) = (unbounded(), unbounded());
        let cache: Arc<Cache> = Arc::default();
        let of = |changes: UnboundedReceiver<Change>, namespace| {
            lists::told(changes.boxed(), namespace, Arc::clone(&cache)).boxed()
        };
        let joined = joined(vec![of(from_a, "a"), of(from_b, "b")]).boxed();
        Self { a, b, joined, cache }
    }

    fn a(&self, change: Change) {
        self.a.unbounded_send(change).unwrap();
    }

    fn b(&self, change: Change) {
        self.b.unbounded_send(change).unwrap();
    }

    fn lists(&self, place: usize, names: &[&str]) {
        let (sender, namespace) = if place == 0 { (&self.a, "a") } else { (&self.b, "b") };
        let send = |event| sender.unbounded_send(Ok(event)).unwrap();
        send(Event::Init);
        for name in names {
            send(Event::InitApply(object(namespace, name)));
        }
        send(Event::InitDone);
    }

    /// Carries what is there into the cache; the words for it.
    fn carry(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(Some(change)) = self.joined.next().now_or_never() {
            let Ok(event) = change else {
                words.push("error".to_owned());
                continue;
            };
            self.cache.apply(&event);
            words.push(match &event {
                Event::Init => "init".to_owned(),
                Event::InitApply(object) => format!("first {}", object.name_any()),
                Event::InitDone => "done".to_owned(),
                Event::Apply(object) => format!("apply {}", object.name_any()),
                Event::Delete(object) => format!("delete {}", object.name_any()),
            });
        }
        words
    }

    fn names(&self) -> Vec<String> {
        let known = ["a", "b"].into_iter().flat_map(|namespace| self.cache.list(namespace));
        let mut names: Vec<_> = known.map(|json| Object::of(json).name_any()).collect();
        names.sort();
        names
    }
}

#[test]
fn the_first_list_is_there_once_each_namespace_has_told_its_own() {
    let mut two = Two::new();
    two.lists(0, &["one"]);
    assert_eq!(two.carry(), ["init", "first one"]);
    two.a(Ok(Event::Apply(object("a", "later"))));
    assert_eq!(two.carry(), ["first later"]);
    two.lists(1, &["two"]);
    assert_eq!(two.carry(), ["first two", "done"]);
    assert_eq!(two.names(), ["later", "one", "two"]);
}

#[test]
fn a_namespace_that_may_not_be_read_keeps_nobody_from_the_others() {
    let mut two = Two::new();
    two.b(forbidden());
    two.lists(0, &["one"]);
    let words = two.carry();
    assert!(words.ends_with(&["done".to_owned()]), "{words:?}");
    // Once it may be read, its objects come one by one.
    two.lists(1, &["two"]);
    assert_eq!(two.carry(), ["apply two"]);
    assert_eq!(two.names(), ["one", "two"]);
}

#[test]
fn where_none_may_be_read_no_list_is_told_to_be_complete() {
    let mut two = Two::new();
    two.a(forbidden());
    two.b(forbidden());
    assert_eq!(two.carry(), ["init", "error", "error"]);
    assert!(!two.cache.is_filled());
}

#[test]
fn a_later_list_of_one_namespace_takes_nothing_from_the_other() {
    let mut two = Two::new();
    two.lists(0, &["kept", "lost"]);
    two.lists(1, &["other"]);
    two.carry();
    two.lists(0, &["kept"]);
    assert_eq!(two.carry(), ["apply kept", "delete lost"]);
    assert_eq!(two.names(), ["kept", "other"]);
}

#[test]
fn what_went_while_a_first_list_was_broken_off_is_gone_once_all_are_told() {
    let mut two = Two::new();
    for event in [Event::Init, Event::InitApply(object("a", "short"))] {
        two.a(Ok(event));
    }
    two.carry();
    two.lists(0, &["one"]);
    two.lists(1, &[]);
    assert_eq!(two.carry(), ["first one", "done", "delete short"]);
    assert_eq!(two.names(), ["one"]);
}

#[test]
fn another_one_of_its_name_is_not_gone_with_the_one_before_it() {
    let mut two = Two::new();
    two.lists(0, &["one"]);
    two.a(Ok(Event::Delete(object("a", "one"))));
    two.a(Ok(Event::Apply(object("a", "one"))));
    two.lists(1, &[]);
    two.carry();
    assert_eq!(two.names(), ["one"]);
}

#[test]
fn what_goes_before_the_first_list_is_complete_is_gone_after_it() {
    let mut two = Two::new();
    two.lists(0, &["short"]);
    two.a(Ok(Event::Delete(object("a", "short"))));
    two.lists(1, &[]);
    let words = two.carry();
    assert_eq!(words[words.len() - 2..], ["done".to_owned(), "delete short".to_owned()]);
    assert!(two.names().is_empty());
}
