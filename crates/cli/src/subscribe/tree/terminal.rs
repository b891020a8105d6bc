//! The terminal while a tree is on it: a screen of its own, and keys as they are pressed.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// The other screen, without a cursor; and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";
/// What stands for no character (`_POSIX_VDISABLE`).
const DISABLED: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };
/// Keys that are looked at in one go.
const KEYS_MAX: usize = 64;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Up,
    Down,
    PageUp,
    PageDown,
    Open,
    Close,
    Toggle,
}

/// The terminal, which gets back what it was when this is dropped, or the program panics.
pub(super) struct Terminal {
    /// How its keys worked before; none if the keys are not those of a terminal.
    saved: Option<Termios>,
    is_left: bool,
}

impl Terminal {
    /// Takes the terminal over.
    pub(super) fn enter() -> io::Result<Self> {
        let saved = if io::stdin().is_terminal() {
            Some(tcgetattr(io::stdin())?)
        } else {
            None
        };
        let hook_saved = saved.clone();
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore(hook_saved.as_ref());
            previous(info);
        }));
        let terminal = Self {
            saved,
            is_left: false,
        };
        if let Some(saved) = &terminal.saved {
            let mut keys = saved.clone();
            // Each key by itself, unseen, and none is waited for; Ctrl-C stays a signal, but nobody
            // may stop the program while the screen is its own.
            keys.local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
            let codes = &mut keys.special_codes;
            codes[SpecialCodeIndex::VMIN] = 0;
            codes[SpecialCodeIndex::VTIME] = 0;
            codes[SpecialCodeIndex::VSUSP] = DISABLED;
            codes[SpecialCodeIndex::VQUIT] = DISABLED;
            tcsetattr(io::stdin(), OptionalActions::Now, &keys)?;
        }
        write(ENTER)?;
        Ok(terminal)
    }

    /// The keys that were pressed.
    pub(super) fn keys(&self) -> Vec<Key> {
        if self.saved.is_none() {
            return Vec::new();
        }
        let mut bytes = [0; KEYS_MAX];
        match rustix::io::read(io::stdin(), &mut bytes) {
            Ok(len) => keys(bytes.get(..len).unwrap_or_default()),
            // The terminal is gone.
            Err(_) => vec![Key::Quit],
        }
    }

    /// Gives the terminal back.
    pub(super) fn leave(&mut self) {
        if !std::mem::replace(&mut self.is_left, true) {
            restore(self.saved.as_ref());
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A terminal that is gone needs nothing.
fn restore(saved: Option<&Termios>) {
    drop(write(LEAVE));
    if let Some(saved) = saved {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, saved);
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// The keys that a terminal sends as these bytes; those without a meaning are passed over.
fn keys(mut bytes: &[u8]) -> Vec<Key> {
    const KEYS: [(&[u8], Key); 18] = [
        (b"\x1b[5~", Key::PageUp),
        (b"\x1b[6~", Key::PageDown),
        (b"\x1b[A", Key::Up),
        (b"\x1bOA", Key::Up),
        (b"k", Key::Up),
        (b"\x1b[B", Key::Down),
        (b"\x1bOB", Key::Down),
        (b"j", Key::Down),
        (b"\x1b[C", Key::Open),
        (b"\x1bOC", Key::Open),
        (b"l", Key::Open),
        (b"\x1b[D", Key::Close),
        (b"\x1bOD", Key::Close),
        (b"h", Key::Close),
        (b" ", Key::Toggle),
        (b"\n", Key::Toggle),
        (b"\r", Key::Toggle),
        (b"q", Key::Quit),
    ];
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = KEYS.iter().find(|(sent, _)| bytes.starts_with(sent));
        let len = match key {
            Some((sent, key)) => {
                found.push(*key);
                sent.len()
            }
            // Of an unknown sequence no letter is taken for a key.
            None if bytes.starts_with(b"\x1b[") => {
                let end = bytes
                    .iter()
                    .skip(2)
                    .position(|byte| (0x40..0x7f).contains(byte));
                end.map_or(bytes.len(), |end| end + 3)
            }
            None => 1,
        };
        bytes = bytes.get(len..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_their_bytes() {
        assert_eq!(
            keys(b"j\x1b[A\x1b[6~ zq"),
            [Key::Down, Key::Up, Key::PageDown, Key::Toggle, Key::Quit]
        );
        // F5, and one with a modifier whose end is missing.
        assert_eq!(keys(b"\x1b[15~\x1b[1;5"), []);
    }
}
