//! What comes of a letter is not recorded as earlier than what the letter tells, whenever a shard woke up.

mod bed;

use bed::exchange::QOS_1;
use bed::{Bed, V5};
use columba_broker::home_of;
use columba_broker::outcome::Outcome;
use columba_broker::recorder::Line;

/// A client id whose home is a shard of two.
fn client_of(shard: usize) -> String {
    let mut ids = (0..).map(|number| format!("client-{number}"));
    ids.find(|id| home_of(42, id, 2).index() == shard)
        .expect("there are enough")
}

/// When something was recorded first.
fn noted_ms(bed: &mut Bed, wanted: Outcome) -> u64 {
    let recordings = bed.recordings();
    let chunks = recordings.iter().flat_map(|recording| &recording.chunks);
    let lines = chunks.flat_map(|chunk| chunk.entries());
    let times = lines.filter_map(|line| match line.expect("a line") {
        Line::Entry(entry) if entry.outcome == wanted => Some(entry.unix_ms),
        Line::Entry(_) | Line::Gap { .. } => None,
    });
    times.min().expect("it was recorded")
}

#[test]
fn a_copy_is_not_sent_before_its_message_came_although_its_shard_woke_up_before() {
    for behind_ms in [0, 50] {
        let mut bed = Bed::new(2);
        let publisher = bed.connect(V5, &client_of(0));
        let subscriber = bed.connect(V5, &client_of(1));
        bed.subscribe(subscriber, "home/#", QOS_1);
        bed.advance(100);
        bed.behind_ms[1] = behind_ms;
        bed.publish(publisher, "home/temp", b"1", QOS_1);
        // Its acknowledgement is an input of its own, at the time of that shard.
        bed.finish(subscriber);
        let came_ms = noted_ms(&mut bed, Outcome::PublishAccepted);
        assert_eq!(
            noted_ms(&mut bed, Outcome::DeliverAcked),
            came_ms,
            "{behind_ms}"
        );
    }
}

#[test]
fn a_message_that_meets_a_subscription_does_not_come_before_it() {
    let mut bed = Bed::new(2);
    let publisher = bed.connect(V5, &client_of(0));
    let subscriber = bed.connect(V5, &client_of(1));
    bed.advance(100);
    bed.behind_ms[0] = 50;
    bed.subscribe(subscriber, "home/#", QOS_1);
    bed.publish(publisher, "home/temp", b"1", QOS_1);
    let granted_ms = noted_ms(&mut bed, Outcome::SubscribeGranted);
    assert_eq!(noted_ms(&mut bed, Outcome::PublishAccepted), granted_ms);
}
