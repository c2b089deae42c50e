//! The channel protocol: the first byte of a message is the channel of the rest.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures::SinkExt as _;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A WebSocket with a client.
pub(super) type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

pub(super) const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const ERROR: u8 = 3;
/// v5: the client closes the channel in the next byte.
pub(super) const CLOSE: u8 = 255;

/// A message for one channel.
pub(super) fn frame(channel: u8, data: &[u8]) -> Message {
    let mut buffer = BytesMut::with_capacity(data.len() + 1);
    buffer.put_u8(channel);
    buffer.put_slice(data);
    Message::Binary(buffer.freeze())
}

/// The close frame of a complete session. Clients treat a close without a code as an error.
pub(super) fn end() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))
}

/// Sends on one channel; false when the client has disconnected.
pub(super) async fn send(socket: &mut Socket, channel: u8, data: &[u8]) -> bool {
    socket.send(frame(channel, data)).await.is_ok()
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Exit {
    Code(i32),
    /// The container runtime cannot find the program.
    Missing(String),
}

impl Exit {
    /// The `Status` of channel 3.
    pub(super) fn status(&self) -> String {
        match self {
            Self::Code(0) => json!({"metadata": {}, "status": "Success"}).to_string(),
            Self::Code(code) => json!({"metadata": {}, "status": "Failure", "message": format!("command terminated with non-zero exit code: error executing command, exit code {code}"),
                "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}})
            .to_string(),
            Self::Missing(program) => {
                let why = format!(
                    "Internal error occurred: error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: \
                     exec failed: unable to start container process: exec: \"{program}\": executable file not found in $PATH: unknown"
                );
                json!({"metadata": {}, "status": "Failure", "message": why, "reason": "InternalError", "details": {"causes": [{"message": why}]}, "code": 500}).to_string()
            }
        }
    }
}

/// Where a command writes.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) to: mpsc::Sender<(u8, Bytes)>,
    /// `2>/dev/null`, `>/dev/null`, `2>&1`.
    pub(super) quiet_out: bool,
    pub(super) quiet_err: bool,
    pub(super) joined: bool,
}

impl Output {
    pub(super) async fn out(&self, text: impl Into<Bytes>) {
        if !self.quiet_out {
            let _ = self.to.send((STDOUT, text.into())).await;
        }
    }

    pub(super) async fn err(&self, text: impl Into<Bytes>) {
        if self.joined {
            self.out(text).await;
        } else if !self.quiet_err {
            let _ = self.to.send((STDERR, text.into())).await;
        }
    }
}
