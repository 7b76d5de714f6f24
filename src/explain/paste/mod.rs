//! What people paste, turned into replies: status, headers and body, which the parser of the engine then reads.
//!
//! ```text
//!  bytes ─▶ decode    UTF-8, UTF-16, byte-order marks, gzip
//!        ─▶ lines     curl -v, quotes, fences, shell prompts, timestamps, the prefixes of logs
//!        ─▶ heads     status lines and headers, anywhere in the text
//!        ─▶ bodies    JSON, frames of a stream, pages, printed exceptions of Python and Node, plain text
//! ```
//!
//! This module splits a paste into replies and removes wrappers and the frames of streams, including those that a gateway or a
//! server sends. What an error says is read by `engine::parse`.

mod bodies;
mod botocore;
mod decode;
mod grpc;
mod heads;
mod lines;
mod printed;

use crate::engine::parse::Headers;

pub(super) use decode::decode;

/// One reply of a paste.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PastedReply {
    /// The status; `None` if the paste does not state it.
    pub(super) status: Option<u16>,
    /// The headers, with names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// The body; empty if only headers were pasted.
    pub(super) body: String,
    /// `true` if it came inside the stream of a reply whose status was a success.
    pub(super) in_stream: bool,
    /// `true` if the paste ends inside it.
    pub(super) cut: bool,
}

impl Headers for PastedReply {
    fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The maximum number of replies of one paste.
pub(super) const MAX_REPLIES: usize = 64;

/// Splits a text into its replies, in order.
pub(super) fn replies(text: &str) -> Vec<PastedReply> {
    let text = lines::clean(text);
    let mut replies: Vec<PastedReply> = Vec::new();
    for part in heads::split(&text) {
        let bodies = bodies::of(part.body);
        let has_head = part.status.is_some() || !part.headers.is_empty();
        if has_head && bodies.is_empty() {
            // Headers alone, below a body without headers, belong to that body.
            let last = replies.last_mut().filter(|last| part.status.is_none() && last.headers.is_empty());
            if let Some(last) = last {
                last.headers = part.headers;
                continue;
            }
            replies.push(PastedReply {
                status: part.status,
                headers: part.headers,
                ..PastedReply::default()
            });
            continue;
        }
        for (index, mut body) in bodies.into_iter().enumerate() {
            // Text below the body of a reply is another reply, so the head is not that of its body.
            if index == 0 || body.in_stream {
                body.status = if body.in_stream { body.status } else { part.status.or(body.status) };
                body.headers.extend(part.headers.iter().cloned());
            }
            replies.push(body);
        }
    }
    replies.truncate(MAX_REPLIES);
    replies
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"error":{"message":"Rate limited"}}"#;

    /// Returns status, `retry-after` and body of each reply.
    fn read(text: &str) -> Vec<(Option<u16>, Option<String>, String)> {
        let part = |reply: &PastedReply| {
            (reply.status, reply.value("retry-after").map(str::to_owned), reply.body.clone())
        };
        replies(text).iter().map(part).collect()
    }

    #[test]
    fn replies_are_bounded_with_and_without_bodies() {
        for reply in ["HTTP/2 429\n\n".to_owned(), format!("HTTP/2 429\n\n{BODY}\n")] {
            assert_eq!(replies(&reply.repeat(100)).len(), MAX_REPLIES, "{reply}");
        }
    }

    #[test]
    fn every_way_of_showing_a_response_is_split_into_its_parts() {
        let expected = vec![(Some(429), Some("7".to_owned()), BODY.to_owned())];
        for text in [
            format!("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n{BODY}\r\n"),
            format!(
                "* Trying\n> POST / HTTP/2\n> Host: x\n>\n< HTTP/2 429 \n< retry-after: 7\n< \n{BODY}\n* Connection #0 left intact"
            ),
            format!("< HTTP/2 429\n< retry-after: 7\n<\n{BODY}* Connection #0 to host x left intact"),
            format!("> HTTP/2 429\n> retry-after: 7\n>\n> {BODY}"),
            format!("```http\nHTTP/2 429\nretry-after: 7\n\n{BODY}\n```"),
            format!("$ curl -i https://x\nHTTP/2 429\nretry-after: 7\n\n{BODY}\n$ "),
            format!("[Error] non_sse_response: HTTP/2 429\nretry-after: 7\n\n{BODY}"),
            format!("web-1  | HTTP/2 429\nweb-1  | retry-after: 7\nweb-1  | \nweb-1  | {BODY}"),
            format!(
                "2026-03-13T08:09:32Z HTTP/2 429\n2026-03-13T08:09:32Z retry-after: 7\n2026-03-13T08:09:33Z\n2026-03-13T08:09:33Z {BODY}"
            ),
            format!("HTTP/1.1 100 Continue\n\nHTTP/2 429\nretry-after: 7\n\n{BODY}"),
            format!("\u{1b}[32mHTTP/2 429\u{1b}[0m\nretry-after: 7\n\n{BODY}"),
        ] {
            let replies: Vec<_> = read(&text).into_iter().filter(|reply| reply.0 != Some(100)).collect();
            assert_eq!(replies, expected, "{text}");
        }
    }

    #[test]
    fn several_replies_are_kept_apart() {
        let text = format!(
            "{BODY}\n{BODY}\n\nHTTP/2 429\nretry-after: 7\n\n{BODY}\nHTTP/2 503\n\n{BODY}\n\nHTTP/2 401\nserver: x\n"
        );
        let statuses: Vec<_> = read(&text).into_iter().map(|reply| reply.0).collect();
        assert_eq!(statuses, [None, None, Some(429), Some(503), Some(401)]);
    }

    #[test]
    fn headers_without_a_status_line_belong_to_the_body_below() {
        assert_eq!(
            read(&format!("retry-after: 7\n\n{BODY}")),
            [(None, Some("7".to_owned()), BODY.to_owned())]
        );
    }
}
