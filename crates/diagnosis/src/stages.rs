//! How far a message came, by the code of its verdict.

use crate::code::Code;

/// Whether the message got past a part of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It did.
    Pass,
    /// It did not.
    Fail,
    /// It is there.
    Wait,
    /// It did not come that far.
    Skip,
    /// Nobody can tell.
    Unknown,
}

impl Status {
    /// A word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Wait => "wait",
            Self::Skip => "skip",
            Self::Unknown => "unknown",
        }
    }
}

/// The parts of a message's way, in order.
pub const STAGES: [&str; 6] = ["publisher", "accepted", "routed", "session", "sent", "app"];

/// The same without any message: what it would have got past is not known then.
pub(crate) fn stages_of_none(code: Code) -> [Status; 6] {
    let all = stages(code, false, false);
    // What waits is there, and has come that far.
    if all.contains(&Status::Wait) {
        return all;
    }
    all.map(|status| match status {
        Status::Pass => Status::Unknown,
        other => other,
    })
}

/// How far the message came that a verdict is about: a status for each of [`STAGES`]. `was_sent`: its
/// copy went out once, as is known beside the code; `is_unmatched`: no subscription matched.
pub(crate) fn stages(code: Code, was_sent: bool, is_unmatched: bool) -> [Status; 6] {
    use Status::{Fail, Pass, Skip, Unknown, Wait};
    match code {
        Code::P01 | Code::P02 | Code::P03 | Code::P04 | Code::P13 => {
            [Fail, Skip, Skip, Skip, Skip, Skip]
        }
        Code::P05 | Code::P06 | Code::P07 | Code::P08 | Code::P09 | Code::P10 | Code::P11 => {
            [Pass, Fail, Skip, Skip, Skip, Skip]
        }
        Code::P14 => [Pass, Wait, Skip, Skip, Skip, Skip],
        Code::R01
        | Code::R02
        | Code::R03
        | Code::R04
        | Code::R05
        | Code::R06
        | Code::R07
        | Code::R08
        | Code::S05
        | Code::S12 => [Pass, Pass, Fail, Skip, Skip, Skip],
        // With the session its subscriptions were gone.
        Code::S01 | Code::S03 | Code::S04 | Code::S15 if is_unmatched => {
            [Pass, Pass, Fail, Skip, Skip, Skip]
        }
        Code::P12
        | Code::S01
        | Code::S02
        | Code::S03
        | Code::S04
        | Code::S06
        | Code::S07
        | Code::S09
        | Code::S14
        | Code::S15 => [Pass, Pass, Pass, Fail, Skip, Skip],
        // It went out on a connection that is over, and waits for the next one.
        Code::S13 if was_sent => [Pass, Pass, Pass, Wait, Pass, Unknown],
        Code::S11 | Code::S13 => [Pass, Pass, Pass, Wait, Skip, Skip],
        Code::S08 | Code::S10 => [Pass, Pass, Pass, Pass, Fail, Skip],
        Code::D03 | Code::D06 => [Pass, Pass, Pass, Pass, Wait, Unknown],
        Code::D01 | Code::D02 | Code::D04 | Code::D05 | Code::D07 => {
            [Pass, Pass, Pass, Pass, Pass, Unknown]
        }
        Code::U01 | Code::U02 | Code::U03 | Code::U04 => [Unknown; 6],
    }
}
