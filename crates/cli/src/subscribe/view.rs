//! What `columba sub` makes of the messages: it prints each, or counts them, or shows where they are.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use clap::Args;
use columba_client::Incoming;
use columba_speech::Param;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::count::Counts;
use super::print::OutputArgs;
use super::rate::Rate;
use super::tree::Tree;
use super::watch::Watch;
use crate::connection::Talk;

/// The options that choose the view.
#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
pub(super) struct ViewArgs {
    /// Count the messages of each topic; the table is printed at the end, and kept up on a terminal
    #[arg(long, conflicts_with = "json")]
    count_by_topic: bool,
    /// Print every second how many messages and bytes came
    #[arg(long, conflicts_with = "json")]
    rate: bool,
    /// Print every second how many messages came, as one number
    #[arg(long, conflicts_with = "json")]
    message_rate: bool,
    /// Show the topics as a tree with their last messages, live on a terminal, else once at the end
    #[arg(long, conflicts_with = "json")]
    tree: bool,
    /// Print the messages of a topic always on the same line of the terminal
    #[arg(short, long)]
    watch: bool,
}

/// Something that messages are shown by.
pub(super) trait View: Send {
    /// Takes a message.
    fn on_message(&mut self, incoming: &Incoming, talk: Talk) -> io::Result<()>;

    /// How often it wants [`Self::on_tick`].
    fn tick(&self) -> Option<Duration> {
        None
    }

    /// Shows what there is to show now; says whether it is time to leave.
    fn on_tick(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Shows a sentence in its own place, if it has one.
    fn takes_sentence(&mut self, _sentence: &str) -> bool {
        false
    }

    /// Shows what is left to show when no more messages come.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A view with its clock.
pub(super) struct Show {
    view: Box<dyn View>,
    ticks: Option<Interval>,
}

impl Show {
    /// # Errors
    /// The terminal cannot be taken over.
    pub(super) fn new(args: &ViewArgs, output: &OutputArgs) -> io::Result<Self> {
        let view: Box<dyn View> = if args.count_by_topic {
            Box::new(Counts::new())
        } else if args.rate || args.message_rate {
            Box::new(Rate::new(args.message_rate))
        } else if args.tree {
            let has_colours = output.has_colours(io::stdout().is_terminal());
            Box::new(Tree::new(output.decoding(), has_colours)?)
        } else if args.watch {
            Box::new(Watch::new(output.clone()))
        } else {
            Box::new(output.clone())
        };
        let ticks = view.tick().map(|period| {
            let mut ticks = interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            ticks
        });
        Ok(Self { view, ticks })
    }

    pub(super) fn on_message(&mut self, incoming: &Incoming, talk: Talk) -> io::Result<()> {
        self.view.on_message(incoming, talk)
    }

    /// Waits for the next [`Self::on_tick`]; dropping the future loses none.
    pub(super) async fn tick(&mut self) {
        match &mut self.ticks {
            Some(ticks) => {
                ticks.tick().await;
            }
            None => std::future::pending().await,
        }
    }

    pub(super) fn on_tick(&mut self) -> io::Result<bool> {
        self.view.on_tick()
    }

    pub(super) fn warn(&mut self, talk: Talk, sentence: impl Into<Param>) {
        let sentence = sentence.into();
        let shown = sentence.to_string(talk.language);
        if !self.view.takes_sentence(&shown) {
            talk.warning(sentence);
        }
    }

    /// The same for what is no warning.
    pub(super) fn note(&mut self, talk: Talk, sentence: &str) {
        if !self.view.takes_sentence(sentence) {
            talk.note(sentence);
        }
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.view.finish()
    }
}
