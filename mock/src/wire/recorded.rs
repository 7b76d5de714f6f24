//! A recorded reply, as a chat completion sends it again.

/// The content of a recorded reply and the reason for its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedReply {
    /// The text; empty if there is none.
    pub text: String,
    /// The text of the reasoning before it; empty if there is none.
    pub reasoning: String,
    /// The calls of functions, in order.
    pub calls: Vec<RecordedCall>,
    /// The finish reason, in letters and underscores.
    pub finish: String,
}

/// A recorded call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    /// The name of the function.
    pub name: String,
    /// The arguments as they were recorded: usually a JSON text.
    pub arguments: String,
}
