//! The body of a response: a short text, or a stretch of a file that is read piece by piece.
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// So much is read at a time.
const PIECE: usize = 64 << 10;

/// The body of a response.
#[derive(Debug)]
pub enum Body {
    /// What is left of a text; empty when it has been sent.
    Text(Bytes),
    /// What is left of a file.
    File { file: File, rest: Range<u64> },
}

impl Body {
    /// Bytes that are still to come.
    pub fn size(&self) -> u64 {
        match self {
            Body::Text(text) => text.len() as u64,
            Body::File { rest, .. } => rest.end - rest.start,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    /// Reads on the event loop's own thread: the files are in memory or on their way there, and a thread to wait for them
    /// would cost more than it saves.
    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        if body.size() == 0 {
            return Poll::Ready(None);
        }
        let piece = match body {
            Body::Text(text) => Ok(std::mem::take(text)),
            Body::File { file, rest } => read(file, rest),
        };
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.size())
    }
}

fn read(file: &File, rest: &mut Range<u64>) -> io::Result<Bytes> {
    let size = usize::try_from(rest.end - rest.start).unwrap_or(PIECE).min(PIECE);
    let mut piece = vec![0; size];
    let count = file.read_at(&mut piece, rest.start)?;
    if count == 0 {
        // The file has shrunk. The length has been sent already, so the connection must break.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    piece.truncate(count);
    rest.start += count as u64;
    Ok(piece.into())
}
