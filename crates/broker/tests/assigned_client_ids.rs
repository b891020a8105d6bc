//! Client ids that the server assigns tell nothing: not the next one, not the seed of the hashes.

mod bed;

use bed::{Bed, ConnectOptions, V5};
use columba_codec::{Packet, PropertyId};

/// The ids that a new broker assigns first.
fn assigned(bed: &mut Bed, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let (client, inbox) = bed.connect_raw(&ConnectOptions::new(V5, ""));
        let packets = inbox.packets();
        let Some(Packet::ConnAck(ack)) = packets.first() else {
            panic!("no CONNACK: {packets:?}");
        };
        let id = ack.properties.string(PropertyId::AssignedClientIdentifier);
        ids.push(id.expect("an assigned id").to_owned());
        bed.drop_connection(client);
    }
    ids
}

/// The state of a splitmix64 generator whose last number was `z`.
fn splitmix_state(mut z: u64) -> u64 {
    z ^= (z >> 31) ^ (z >> 62);
    z = z.wrapping_mul(0x3196_42B2_D24D_8EC3);
    z ^= (z >> 27) ^ (z >> 54);
    z = z.wrapping_mul(0x96DE_1B17_3F11_9089);
    z ^ (z >> 30) ^ (z >> 60)
}

#[test]
fn one_assigned_id_does_not_tell_the_next() {
    let mut bed = Bed::new(1);
    let ids = assigned(&mut bed, 20);
    let states = |digits: std::ops::Range<usize>| -> Vec<u64> {
        let number = |id: &String| {
            let hex = id.strip_prefix("columba-").expect("the prefix");
            u64::from_str_radix(&hex[digits.clone()], 16).expect("hexadecimal digits")
        };
        ids.iter().map(number).map(splitmix_state).collect()
    };
    for digits in [0..16, 16..32] {
        let states = states(digits);
        let steps: Vec<u64> = states
            .windows(2)
            .map(|pair| pair[1].wrapping_sub(pair[0]))
            .collect();
        let distinct: std::collections::BTreeSet<_> = steps.iter().collect();
        assert_eq!(distinct.len(), steps.len(), "a regular step: {steps:x?}");
    }
}
