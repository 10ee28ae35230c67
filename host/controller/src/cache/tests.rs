use super::*;
use serde_json::json;

fn object(name: &str, version: u32) -> Object {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "ns", "uid": format!("uid-{name}"), "resourceVersion": version.to_string()},
        "spec": {"what": "all of them are much alike, ".repeat(20), "share": 0.1 + f64::from(version) / 3.0},
    }))
    .unwrap()
}

fn filled(names: &[&str]) -> Cache {
    let cache = Cache::default();
    cache.apply(&Event::Init);
    for name in names {
        cache.apply(&Event::InitApply(object(name, 1)));
    }
    assert!(!cache.is_filled());
    cache.apply(&Event::InitDone);
    assert!(cache.is_filled());
    cache
}

#[test]
fn it_shows_what_the_watch_has_told() {
    let cache = filled(&["a", "b"]);
    cache.apply(&Event::Apply(object("c", 2)));
    cache.apply(&Event::Delete(object("a", 3)));
    assert_eq!(cache.get("ns", "a"), None);
    assert_eq!(cache.get("ns", "c").as_ref(), Some(object("c", 2).json()));
    assert!(cache.shows("ns", "b") && !cache.shows("other", "b") && !cache.shows("n", "s/b"));
    assert_eq!((cache.list("ns").len(), cache.list("n").len()), (2, 0));
    cache.apply(&Event::Init);
    assert!(cache.shows("ns", "b"), "a list that is arriving hides nothing");
    cache.apply(&Event::InitDone);
    assert!(!cache.shows("ns", "b"), "and then it is all there is");
}

#[test]
fn what_nobody_looks_at_is_packed_and_comes_back_as_it_was() {
    let cache = filled(&["a", "b", "c"]);
    assert!(cache.pack());
    assert!(cache.pack());
    assert_eq!(cache.packed(), 0, "it was told a moment ago");
    assert!(cache.get("ns", "a").is_some());
    assert!(cache.pack(), "one was looked at");
    assert_eq!(cache.packed(), 2);
    for name in ["b", "c"] {
        assert_eq!(cache.get("ns", name).as_ref(), Some(object(name, 1).json()));
    }
    assert_eq!(cache.packed(), 0);
    cache.apply(&Event::Apply(object("b", 9)));
    assert_eq!((cache.pack(), cache.pack(), cache.pack()), (true, true, false));
    assert_eq!(cache.packed(), 3);
    assert_eq!(cache.get("ns", "b").as_ref(), Some(object("b", 9).json()), "the newest");
}

#[test]
fn objects_that_are_alike_take_little() {
    let objects: Vec<((), Arc<Value>)> =
        (0..64).map(|nth| ((), Arc::clone(object(&format!("rr-{nth}"), nth).json()))).collect();
    let packer = Packer::default();
    for (((), json), small) in objects.iter().zip(packer.pack(&objects)) {
        let small = small.unwrap();
        assert!(small.bytes() < 120, "{} bytes", small.bytes());
        assert_eq!(Packer::unpack(&small).as_ref(), Some(&**json));
    }
    assert_eq!(packer.pack::<()>(&[]).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_waits_where_there_is_nothing_to_pack() {
    let cache = Arc::new(filled(&["a"]));
    let period = Duration::from_secs(1);
    let kept =
        tokio::time::timeout(Duration::from_mins(1), Arc::clone(&cache).keep_small(Offload::Inline, period)).await;
    assert!(kept.is_err(), "for ever");
    assert_eq!(cache.packed(), 1);
    assert!(cache.round.load(Ordering::Relaxed) < 10, "it does not spin");
}
