//! What a start has found damaged in the store is listed, recorded, and part of the answer to why.

use columba_store::{Batch, DiskFiles, Log, Options};

use crate::bed::Bed;

/// The records of session 90, which is subscribed to h/#, and a message that waits in it.
const OF_A_SESSION: [&[u8]; 3] = [
    b"\x02the session",
    b"\x03\x5a\x03h/#\x01\x00\x00",
    b"\x04\x01publishr\x03h/1\x00\x01x\x01\x01\x5a\x00",
];

#[test]
fn damage_of_the_store_is_told_to_operators_in_the_record_and_by_why() {
    let mut bed = Bed::new();
    let sound = &bed.get("/api/v1/broker")["store"];
    assert_eq!(sound["damaged_places"], serde_json::json!([]));
    assert_eq!(sound["lost_sessions"], serde_json::json!([]));
    bed.stop();
    let data = bed.instance().join("data");
    let files = DiskFiles::open(&data).unwrap();
    let (mut log, _) = Log::open(files, Options::new(0), &mut |_| ()).unwrap();
    for record in OF_A_SESSION {
        let mut batch = Batch::new();
        batch.append(record);
        log.commit([&batch]).unwrap();
    }
    drop(log);
    let segment = data.join("00000002.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    let mut parts = bytes.windows(11);
    let at = parts.position(|part| part == b"the session").unwrap();
    bytes[at] ^= 1;
    // The header costs nothing.
    bytes[20] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let bed = bed.restart();

    let store = &bed.get("/api/v1/broker")["store"];
    assert_eq!(store["damaged"], 2);
    let places = store["damaged_places"].as_array().unwrap();
    let [place] = places
        .iter()
        .filter(|of| of["is_loss"] == true)
        .collect::<Vec<_>>()[..]
    else {
        panic!("{store}");
    };
    let header = places.iter().find(|of| of["is_loss"] == false).unwrap();
    assert_eq!(
        (&header["offset"], &header["bytes"]),
        (&0.into(), &64.into())
    );
    assert_eq!(place["file"], "00000002.log");
    // The frame begins before its content.
    assert_eq!(place["offset"], at - 21);
    let text = place["text"].as_str().unwrap();
    let told = format!("00000002.log is damaged at offset {} (32 bytes)", at - 21);
    assert!(text.starts_with(&told), "{text}");
    let lost = serde_json::json!([{"session": 90, "subscriptions": ["h/#"], "messages": 1}]);
    assert_eq!(store["lost_sessions"], lost);

    let why = bed.get("/api/v1/why?topic=h/1&to=ph&render=text");
    assert_eq!(why["report"]["coverage"]["damaged"][0]["what"], text);
    let lost = "the record of session 90 is lost; kept until `columba store discard`: \
                subscriptions: 1, messages: 1";
    assert_eq!(why["report"]["coverage"]["damaged"][1]["what"], lost);
    let metrics = bed.get("/api/v1/metrics");
    assert_eq!(metrics["outcomes"]["broker.store_damaged"], 2);
}
