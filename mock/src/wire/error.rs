//! What can be wrong with a call besides a limit, before any dialect has put it into words.

use crate::config::Fault;
use crate::length::TooLong;
use std::borrow::Cow;

/// An error that is no refusal of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error<'a> {
    /// No account has this key.
    InvalidKey,
    /// There is no such model.
    UnknownModel(&'a str),
    /// There is no such method and path.
    UnknownPath(&'a str, &'a str),
    /// The request is not well formed, for this reason.
    Invalid(Cow<'a, str>),
    /// The body is larger than is read.
    BodyTooLarge,
    /// The provider is out of capacity for this model.
    Overload(&'a str),
    /// The account has no money left.
    Billing,
    /// The account's plan does not have this model.
    NotInTier(&'a str),
    /// The call is too long for this model.
    TooLong(TooLong, &'a str),
    /// This status, in whatever words the provider has for it; the model asked for.
    Status(u16, &'a str),
}

impl<'a> Error<'a> {
    /// What a fault makes the provider say; `None` for a fault that answers nothing, or bends an answer.
    #[must_use]
    pub const fn of_fault(fault: Fault, model: &'a str) -> Option<Self> {
        match fault {
            Fault::Status(status) => Some(Self::Status(status, model)),
            Fault::Overload => Some(Self::Overload(model)),
            Fault::Billing => Some(Self::Billing),
            Fault::NotInTier => Some(Self::NotInTier(model)),
            Fault::Throttle(_) => Some(Self::Status(429, model)),
            Fault::ErrorInside => Some(Self::Overload(model)),
            _ => None,
        }
    }
}
