//! Drives rumqttc: rumqttc-driver URL VERSION [CA]; prints 'FEATURE ok' or 'FEATURE FAIL why'.

mod client;
mod features;

use std::cell::Cell;
use std::time::Duration;

use client::Place;
use tokio::time::timeout;

/// What went wrong, for people.
type Outcome<T> = Result<T, String>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (url, version, ca) = match &arguments[..] {
        [url, version] => (url, version, None),
        [url, version, ca] => (
            url,
            version,
            Some(std::fs::read(ca).map_err(|e| e.to_string())?),
        ),
        _ => return Err("usage: rumqttc-driver URL 311|5 [CA]".into()),
    };
    let is_v5 = version == "5";
    let run = format!("r{:x}", std::process::id());
    let place = Place {
        url: client::Url::parse(url)?,
        is_v5,
        ca,
        run,
        opened: Cell::new(0),
    };
    let mut names = vec![
        "connect", "qos0", "qos1", "qos2", "retain", "will", "session", "large",
    ];
    if is_v5 {
        names.extend(["properties", "shared"]);
    }
    for name in names {
        match timeout(Duration::from_secs(30), features::run(&place, name)).await {
            Ok(Ok(())) => println!("{name} ok"),
            Ok(Err(why)) => {
                println!(
                    "{name} FAIL {}",
                    why.replace('\n', " ").chars().take(150).collect::<String>()
                );
            }
            Err(_) => println!("{name} FAIL timeout"),
        }
    }
    Ok(())
}
