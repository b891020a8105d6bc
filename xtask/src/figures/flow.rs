//! Messages from one publisher to some subscribers, and the CPU that the broker spent on them.

use std::fs;
use std::io::Write as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use columba_codec::{PacketType, QoS};

use super::peer::{Peer, Seen, publish};

/// Messages that may be on their way at a time.
const WINDOW: u64 = 1000;
const PAYLOAD: [u8; 64] = [b'x'; 64];
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent.
#[derive(Clone, Copy)]
pub(super) struct Flow {
    pub(super) name: &'static str,
    pub(super) qos: QoS,
    pub(super) subscribers: u64,
    pub(super) messages: u64,
}

/// What it took.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    /// CPU of the broker per delivered message.
    pub(super) cpu_us: f64,
    /// Delivered messages per second.
    pub(super) rate: f64,
}

enum Progress {
    Delivered(u64),
    Acknowledged(u64),
}

/// Runs one flow against the broker with process id `broker` on `port`.
pub(super) fn run(flow: Flow, port: u16, broker: u32) -> anyhow::Result<Cost> {
    let (progress, events) = channel();
    for number in 0..flow.subscribers {
        let mut peer = Peer::connect(port, &format!("subscriber-{number}"))?;
        peer.subscribe("figures/flow", flow.qos)?;
        let progress = progress.clone();
        thread::spawn(move || consume(peer, flow.messages, &progress));
    }
    let publisher = Peer::connect(port, "publisher")?;
    let cpu_before = cpu_ns(broker)?;
    let start = Instant::now();
    produce(flow, publisher, &progress, &events)?;
    let elapsed = start.elapsed();
    let cpu = cpu_ns(broker)? - cpu_before;
    let delivered = (flow.messages * flow.subscribers) as f64;
    Ok(Cost {
        cpu_us: cpu as f64 / 1000.0 / delivered,
        rate: delivered / elapsed.as_secs_f64(),
    })
}

/// Keeps the window full until everything has arrived and is acknowledged.
fn produce(
    flow: Flow,
    publisher: Peer,
    progress: &Sender<Progress>,
    events: &Receiver<Progress>,
) -> anyhow::Result<()> {
    let template = publish("figures/flow", flow.qos, &PAYLOAD)?;
    // The packet id stands before the payload (MQTT 3.1.1 has no properties).
    let id_at = template.len() - PAYLOAD.len() - 2;
    let mut writer = publisher.split()?;
    let needs_ack = flow.qos != QoS::AtMostOnce;
    if needs_ack {
        let progress = progress.clone();
        thread::spawn(move || acknowledge(publisher, flow.messages, &progress));
    }
    let (mut sent, mut delivered, mut acknowledged) = (0, 0, 0);
    let mut batch = Vec::new();
    let total = flow.messages * flow.subscribers;
    while delivered < total || (needs_ack && acknowledged < flow.messages) {
        let done = (delivered / flow.subscribers).min(if needs_ack { acknowledged } else { sent });
        batch.clear();
        while sent < flow.messages && sent - done < WINDOW {
            let start = batch.len();
            batch.extend_from_slice(&template);
            if needs_ack {
                let id = u16::try_from(sent % 65_535 + 1)?;
                batch[start + id_at..start + id_at + 2].copy_from_slice(&id.to_be_bytes());
            }
            sent += 1;
        }
        writer.write_all(&batch)?;
        let first = events
            .recv_timeout(PATIENCE)
            .with_context(|| format!("{}: {delivered} of {total} messages arrived", flow.name))?;
        for event in std::iter::once(first).chain(events.try_iter()) {
            match event {
                Progress::Delivered(count) => delivered += count,
                Progress::Acknowledged(count) => acknowledged += count,
            }
        }
    }
    ensure!(
        delivered == total,
        "{}: {delivered} messages instead of {total}",
        flow.name
    );
    Ok(())
}

/// A subscriber: counts messages and plays its part of the QoS.
fn consume(mut peer: Peer, messages: u64, progress: &Sender<Progress>) -> anyhow::Result<()> {
    let mut got = 0;
    let mut open = 0_i64;
    while got < messages || open > 0 {
        let (mut count, mut replies) = (0, Vec::new());
        peer.receive(
            |Seen {
                 packet,
                 qos,
                 packet_id,
             }| match (packet, qos) {
                (PacketType::Publish, 0) => count += 1,
                (PacketType::Publish, 1) => {
                    count += 1;
                    reply(&mut replies, 0x40, packet_id);
                }
                (PacketType::Publish, _) => {
                    count += 1;
                    open += 1;
                    reply(&mut replies, 0x50, packet_id);
                }
                (PacketType::PubRel, _) => {
                    open -= 1;
                    reply(&mut replies, 0x70, packet_id);
                }
                _ => {}
            },
        )?;
        peer.send(&replies)?;
        got += count;
        if count > 0 && progress.send(Progress::Delivered(count)).is_err() {
            break;
        }
    }
    Ok(())
}

/// The publisher's receiving half.
fn acknowledge(mut peer: Peer, messages: u64, progress: &Sender<Progress>) -> anyhow::Result<()> {
    let mut done = 0;
    while done < messages {
        let (mut count, mut replies) = (0, Vec::new());
        peer.receive(
            |Seen {
                 packet, packet_id, ..
             }| match packet {
                PacketType::PubAck | PacketType::PubComp => count += 1,
                PacketType::PubRec => reply(&mut replies, 0x62, packet_id),
                _ => {}
            },
        )?;
        peer.send(&replies)?;
        done += count;
        if count > 0 && progress.send(Progress::Acknowledged(count)).is_err() {
            bail!("the publisher ended");
        }
    }
    Ok(())
}

fn reply(out: &mut Vec<u8>, first_byte: u8, [high, low]: [u8; 2]) {
    out.extend_from_slice(&[first_byte, 2, high, low]);
}

/// Nanoseconds that all threads of a process have been on a processor.
fn cpu_ns(process: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().context("schedstat")?;
        sum += first.parse::<u64>()?;
    }
    Ok(sum)
}
