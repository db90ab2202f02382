/// Whether connections to peers hide what they are (message stream encryption).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encryption {
    /// They do not, and those that do are refused.
    Off,
    /// Whatever the other side wants: what comes is taken either way, and a peer that hangs up on
    /// a plain handshake is asked again, hidden.
    #[default]
    Prefer,
    /// All are hidden and encrypted with RC4, or they do not come about.
    Require,
}
