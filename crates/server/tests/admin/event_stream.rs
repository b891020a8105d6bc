//! Events as they happen.

use columba_codec::QoS;

use super::bed::Bed;

#[test]
fn events_come_as_they_happen_and_with_the_filters_of_the_list() {
    let bed = Bed::new();
    let _before = bed.connect("before");
    let mut all = bed.stream("/api/v1/events", "");
    let mut filtered = bed.stream("/api/v1/events?client=b&outcome=connect", "");
    let mut ledger = bed.stream("/api/v1/events?ledger=true&topic=lamp", "");
    // Each is there before what comes now.
    for stream in [&mut all, &mut filtered, &mut ledger] {
        stream.id();
    }
    let mut a = bed.connect("a");
    let _b = bed.connect("b");
    let mut clients = [(); 2].map(|()| {
        let (name, event) = all.event().unwrap();
        assert_eq!(name, "");
        assert_eq!(event["outcome"], "connect.accepted", "{event}");
        event["client"].as_str().unwrap().to_owned()
    });
    // Two shards may have seen them in the same millisecond.
    clients.sort_unstable();
    assert_eq!(clients, ["a", "b"]);
    assert_eq!(filtered.event().unwrap().1["client"], "b");
    a.publish("other", b"x");
    a.publish("lamp", b"x");
    let event = ledger.event().unwrap().1;
    assert_eq!(
        (&event["topic"], &event["client"]),
        (&"lamp".into(), &"a".into())
    );
}

#[test]
fn a_reader_goes_on_where_it_was() {
    let bed = Bed::new();
    let mut stream = bed.stream("/api/v1/events", "");
    let id = stream.id();
    drop(stream);
    let _a = bed.connect("a");
    let header = format!("Last-Event-ID: {id}\r\n");
    let mut stream = bed.stream("/api/v1/events", &header);
    assert_eq!(stream.event().unwrap().1["client"], "a");
    let id = stream.id();
    let _b = bed.connect("b");
    let mut stream = bed.stream(&format!("/api/v1/events?cursor={id}"), "");
    assert_eq!(stream.event().unwrap().1["client"], "b");
    let mut stream = bed.stream("/api/v1/events?since_unix_ms=0&outcome=connect", "");
    let mut seen = [(); 2].map(|()| stream.event().unwrap().1["client"].to_string());
    // Two shards may have seen them in the same millisecond.
    seen.sort_unstable();
    assert_eq!(seen, ["\"a\"", "\"b\""]);
}

#[test]
fn a_reader_hears_how_much_it_has_missed() {
    let bed = Bed::with("[limits]\nrecorder_bytes_max = \"64KiB\"");
    let mut stream = bed.stream("/api/v1/events", "");
    let mut flapping = bed.connect("flapping");
    flapping.subscribe("lamp", QoS::AtMostOnce);
    stream.event().unwrap();
    let id = stream.id();
    drop(stream);
    for number in 0..1000 {
        flapping.subscribe(&format!("lamp/{number}"), QoS::AtMostOnce);
    }
    let mut stream = bed.stream("/api/v1/events", &format!("Last-Event-ID: {id}\r\n"));
    let (name, data) = stream.event().unwrap();
    assert_eq!(
        (name.as_str(), &data["why"]),
        ("missed", &"overwritten".into())
    );
    // All of them, those that are left and those that are not, are the thousand and the few before.
    let missed = data["entries"].as_u64().unwrap();
    let mut told = 0;
    while stream.event().unwrap().1["topic"] != "lamp/999" {
        told += 1;
    }
    assert!(
        (999..=1002).contains(&(missed + told)),
        "{missed} and {told}"
    );
    assert!(missed > 0);
}

#[test]
fn another_size_of_the_recorder_is_no_loss_to_who_has_read_all() {
    let bed = Bed::new();
    let _a = bed.connect("a");
    let mut stream = bed.stream("/api/v1/events?since_unix_ms=0&outcome=connect", "");
    assert_eq!(stream.event().unwrap().1["client"], "a");
    bed.resize_recorders(8 << 20);
    let _b = bed.connect("b");
    assert_eq!(stream.event().unwrap().1["client"], "b");
}

/// What one client does too often has a tape of its own. It has nothing after the change, and its numbers
/// go on from those that it had before.
#[test]
fn a_tape_that_another_size_has_emptied_is_no_loss_to_who_comes_after() {
    let bed = Bed::new();
    let mut flapping = bed.connect("flapping");
    for number in 0..100 {
        flapping.subscribe(&format!("before/{number}"), QoS::AtMostOnce);
    }
    bed.resize_recorders(8 << 20);
    let mut stream = bed.stream("/api/v1/events", "");
    for number in 0..100 {
        flapping.subscribe(&format!("after/{number}"), QoS::AtMostOnce);
    }
    loop {
        let (name, data) = stream.event().unwrap();
        assert_ne!(name, "missed", "{data}");
        if data["topic"] == "after/99" {
            break;
        }
    }
}

#[test]
fn streams_end_with_the_broker_and_say_so() {
    let mut bed = Bed::new();
    let mut stream = bed.stream("/api/v1/events", "");
    let id = stream.id();
    bed.stop();
    let (name, data) = stream.event().unwrap();
    assert_eq!(
        (name.as_str(), &data["why"]),
        ("end", &"the broker is stopping".into())
    );
    while let Some((name, _)) = stream.field() {
        assert_eq!(name, "id");
    }
    let bed = bed.restart();
    let mut stream = bed.stream("/api/v1/events", &format!("Last-Event-ID: {id}\r\n"));
    let (name, data) = stream.event().unwrap();
    assert_eq!(
        (name.as_str(), &data["why"]),
        ("missed", &"restarted".into())
    );
}

#[test]
fn streams_are_limited_and_what_cannot_be_read_is_refused() {
    let bed = Bed::new();
    let ask = |path: &str, headers: &str| {
        let token = &bed.token;
        let headers =
            format!("Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n{headers}");
        bed.send("GET", path, &headers, None).code()
    };
    let path = "/api/v1/events";
    assert_eq!(ask(path, "Last-Event-ID: x\r\n"), "invalid_cursor");
    assert_eq!(ask("/api/v1/events?cursor=", ""), "invalid_cursor");
    assert_eq!(ask("/api/v1/events?limit=5", ""), "invalid_request");
    assert_eq!(ask("/api/v1/events?topic=a/%23/b", ""), "invalid_request");
    let streams: Vec<_> = (0..16).map(|_| bed.stream(path, "")).collect();
    assert_eq!(ask(path, ""), "conflict");
    drop(streams);
}
