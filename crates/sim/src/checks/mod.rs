//! What must hold, one promise a file.

pub(crate) mod acknowledgement;
pub(crate) mod books;
pub(crate) mod delivery;
pub(crate) mod effects;
pub(crate) mod exactly_once;
pub(crate) mod gauges;
pub(crate) mod held;
pub(crate) mod no_local;
pub(crate) mod order;
pub(crate) mod retained;
pub(crate) mod share;
pub(crate) mod verdict;
pub(crate) mod will;
pub(crate) mod window;
pub(crate) mod wire;
