//! Files that a run starts with.
//!
//! A file is taken whole when the run is asked for: every step sees what the person attached, on any host, however
//! the file changes meanwhile. It becomes a part of the first prompt of every step that needs no other step.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// One file may have so many bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// All files of a run may have so many bytes.
pub const MAX_TOTAL_BYTES: usize = 8 * 1024 * 1024;

/// A file as it was when the run was asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The name that the model and people see.
    pub name: String,
    /// Its type, such as `text/plain`.
    pub mime: String,
    /// Its content, in base64.
    content: String,
}

impl Attachment {
    /// A file of this content. Its type is told by the content: text in UTF-8, or a PNG, JPEG, GIF or WebP image.
    ///
    /// # Errors
    /// It is too large, or of another type.
    pub fn new(name: impl Into<String>, content: &[u8]) -> Result<Self, AttachmentError> {
        let name = name.into();
        if content.len() > MAX_BYTES {
            return Err(AttachmentError::TooLarge { name, bytes: content.len() });
        }
        let Some(mime) = mime(content) else { return Err(AttachmentError::UnknownType { name }) };
        Ok(Self { name, mime: mime.to_owned(), content: STANDARD.encode(content) })
    }

    /// Its content as a `data:` URL, the form in which every host takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("data:{};base64,{}", self.mime, self.content)
    }

    /// Whether it is looked at rather than read.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.mime.starts_with("image/")
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let padding = self.content.bytes().rev().take_while(|byte| *byte == b'=').count();
        (self.content.len() / 4 * 3).saturating_sub(padding)
    }
}

/// The content stays out of logs.
impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, mime, .. } = self;
        write!(f, "Attachment({name:?}, {mime}, {} bytes)", self.bytes())
    }
}

/// A file cannot go with a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachmentError {
    /// One file is too large.
    #[error(
        "attach {name}: it has {bytes} bytes, {MAX_BYTES} are allowed; name the file in the task instead, and the \
         worker reads what it needs"
    )]
    TooLarge {
        /// The file.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// All files together are too large.
    #[error(
        "attach {files} files: they have {bytes} bytes, {MAX_TOTAL_BYTES} are allowed; name files in the task instead, \
         and the worker reads what it needs"
    )]
    TooLargeTogether {
        /// How many there are.
        files: usize,
        /// Their size.
        bytes: usize,
    },
    /// Its content is of no type that models take.
    #[error(
        "attach {name}: it is neither UTF-8 text nor a PNG, JPEG, GIF or WebP image; name it in the task instead"
    )]
    UnknownType {
        /// The file.
        name: String,
    },
}

impl AttachmentError {
    /// A stable code for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooLargeTogether { .. } => "orch::run::attachment-too-large",
            Self::UnknownType { .. } => "orch::run::attachment-type",
        }
    }
}

/// Whether these files can go with one run.
///
/// # Errors
/// They are too large together.
pub fn check(attachments: &[Attachment]) -> Result<(), AttachmentError> {
    let bytes = attachments.iter().map(Attachment::bytes).sum();
    if bytes > MAX_TOTAL_BYTES {
        return Err(AttachmentError::TooLargeTogether { files: attachments.len(), bytes });
    }
    Ok(())
}

fn mime(content: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 4] = [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
    ];
    if content.starts_with(b"RIFF") && content.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    let signed = SIGNATURES.iter().find(|(signature, _)| content.starts_with(signature));
    signed.map(|(_, mime)| *mime).or_else(|| is_text(content).then_some("text/plain"))
}

fn is_text(content: &[u8]) -> bool {
    std::str::from_utf8(content).is_ok_and(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_told_by_the_content() {
        let table: [(&[u8], Option<&str>); 9] = [
            (b"# Notes\n\xc3\xa4", Some("text/plain")),
            (b"", Some("text/plain")),
            (b"\x89PNG\r\n\x1a\n....", Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a..", Some("image/gif")),
            (b"RIFF\x00\x00\x00\x00WEBPVP8 ", Some("image/webp")),
            (b"%PDF-1.7\xff", None),
            (b"\x7fELF\x02\0", None),
            (b"\xff\xfeU\0T\0F\0", None),
        ];
        for (content, expected) in table {
            let told = Attachment::new("file", content);
            assert_eq!(told.ok().as_ref().map(|file| file.mime.as_str()), expected, "{content:?}");
        }
    }

    #[test]
    fn sizes_are_bounded_alone_and_together() {
        let largest = vec![b'x'; MAX_BYTES];
        let file = Attachment::new("large.txt", &largest).unwrap();
        assert_eq!(file.bytes(), MAX_BYTES);
        assert_eq!(check(&[file.clone(), file.clone()]), Ok(()));
        let one_more = Attachment::new("small.txt", b"x").unwrap();
        let error = check(&[file.clone(), file, one_more]).unwrap_err();
        assert_eq!(error, AttachmentError::TooLargeTogether { files: 3, bytes: 2 * MAX_BYTES + 1 });
        let error = Attachment::new("large.txt", &[&largest[..], b"x"].concat()).unwrap_err();
        assert_eq!(error, AttachmentError::TooLarge { name: "large.txt".to_owned(), bytes: MAX_BYTES + 1 });
    }

    #[test]
    fn the_content_stays_out_of_debug_output() {
        let file = Attachment::new("notes.md", b"secret plans").unwrap();
        assert_eq!(format!("{file:?}"), r#"Attachment("notes.md", text/plain, 12 bytes)"#);
        assert_eq!(file.url(), "data:text/plain;base64,c2VjcmV0IHBsYW5z");
    }
}
