//! Many subscriptions of others.

use columba_codec::{QoS, Version};

use super::{ClientIx, Driver};

/// Filters of one SUBSCRIBE.
const FILTERS_A_PACKET: usize = 100;
/// However many there are, so that a batch of messages goes to as many clients.
const CLIENTS: usize = 10;

/// The topic of a device. Two in four are subscribed to exactly, one with `+`, one with
/// `#`.
pub(crate) fn device(number: usize) -> String {
    format!("site/{}/device/{number}", number / 100)
}

fn background(number: usize) -> String {
    let device = device(number);
    match number % 4 {
        0 | 1 => format!("{device}/state"),
        2 => format!("{device}/+"),
        _ => format!("{device}/#"),
    }
}

/// Subscribes clients to `count` filters that all differ.
pub(crate) fn subscribe(driver: &mut Driver, count: usize) {
    let clients: Vec<ClientIx> = (0..CLIENTS)
        .map(|number| driver.connect(Version::V311, &format!("background-{number}")))
        .collect();
    let numbers: Vec<usize> = (0..count).collect();
    for numbers in numbers.chunks(FILTERS_A_PACKET) {
        let client = clients[numbers[0] * CLIENTS / count];
        let filters: Vec<String> = numbers.iter().map(|number| background(*number)).collect();
        driver.subscribe(client, &filters, QoS::AtMostOnce);
    }
}

/// Filters that match `many/ANYTHING/a/b/c/d/e/f`, up to 112 that all differ.
pub(crate) fn matching(count: usize) -> Vec<String> {
    let mut filters = Vec::new();
    for (levels, end) in [(6, ""), (5, "/#"), (4, "/#")] {
        for choice in 0..1 << levels {
            let mut filter = "many/+".to_owned();
            for (at, level) in ["a", "b", "c", "d", "e", "f"][..levels].iter().enumerate() {
                filter.push('/');
                filter.push_str(if choice >> at & 1 == 1 { "+" } else { level });
            }
            filters.push(filter + end);
        }
    }
    assert!(count <= filters.len());
    filters.truncate(count);
    filters
}
