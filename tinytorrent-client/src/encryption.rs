/// The use of message stream encryption, which hides the protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Encryption {
    /// Connections are plain. Encrypted ones are refused.
    Off,
    /// Both are accepted. An outgoing connection begins plain; if the peer closes it during the
    /// handshake, it is made again with encryption.
    #[default]
    Prefer,
    /// All connections are encrypted with RC4. Plain ones are refused.
    Require,
}
