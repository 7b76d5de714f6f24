//! Errors other than a refusal by a limit, before a dialect renders them.

use crate::config::Fault;
use crate::length::TooLong;
use std::borrow::Cow;

/// An error other than a refusal by a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error<'a> {
    /// The request has no key, or one that no account has.
    InvalidKey,
    /// No model has this name.
    UnknownModel(&'a str),
    /// No endpoint has this path. The fields are the method and the path of the request.
    UnknownPath(&'a str, &'a str),
    /// The request is malformed, or a member of it is missing, unknown or out of its range.
    Invalid {
        /// The reason.
        message: Cow<'a, str>,
        /// The member, for providers that send one, as they name it.
        param: Option<String>,
        /// The code, for providers that send one.
        code: Option<&'static str>,
    },
    /// The body is larger than the server reads.
    BodyTooLarge,
    /// The provider has no capacity for this model.
    Overload(&'a str),
    /// The account has insufficient credit.
    Billing,
    /// The account's tier does not include this model.
    NotInTier(&'a str),
    /// The call is too long for this model.
    TooLong(TooLong, &'a str),
    /// This status, with the provider's text for it if it has one. The second field is the model; empty if the request was
    /// not read.
    Status(u16, &'a str),
}

impl<'a> Error<'a> {
    /// Returns the error of an invalid request without a member or a code.
    #[must_use]
    pub fn invalid(message: impl Into<Cow<'a, str>>) -> Self {
        Self::Invalid { message: message.into(), param: None, code: None }
    }

    /// Returns the error that a fault causes; `None` if the fault sends no reply or only modifies one.
    #[must_use]
    pub const fn from_fault(fault: Fault, model: &'a str) -> Option<Self> {
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
