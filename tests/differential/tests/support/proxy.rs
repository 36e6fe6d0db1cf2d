//! A candidate with a flaw: it passes everything on to a real server, and changes the answers.

use bytes::{BufMut as _, BytesMut};
use heirloom_differential::{Address, Endpoint, Frame};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

/// Changes a frame of the server, or drops it; what it returns is sent.
pub(crate) type Flaw = fn(Frame) -> Vec<Frame>;

/// Serves a socket beside the real one for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Proxy {
    socket: PathBuf,
    serving: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// An endpoint with this flaw; `None` if the real server is not on a unix socket.
    pub(crate) fn start(real: &Endpoint, flaw: Flaw) -> (Self, Endpoint) {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("heirloom-flawed-{}-{number}", std::process::id());
        let socket = std::env::temp_dir().join(name);
        std::fs::remove_file(&socket).ok();
        let listener = UnixListener::bind(&socket).unwrap();
        let address = real.address.clone();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, address.clone(), flaw));
            }
        });
        let endpoint = Endpoint {
            address: Address::Unix(socket.clone()),
            ..real.clone()
        };
        (Self { socket, serving }, endpoint)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
        std::fs::remove_file(&self.socket).ok();
    }
}

async fn serve(client: UnixStream, real: Address, flaw: Flaw) {
    let (from_client, to_client) = client.into_split();
    match real {
        Address::Unix(path) => {
            let (from_server, to_server) = connect(&path).await;
            tokio::join!(
                pass_on(from_client, to_server),
                spoil(from_server, to_client, flaw)
            );
        }
        Address::Tcp(host, port) => {
            let socket = tokio::net::TcpStream::connect((host, port)).await.unwrap();
            let (from_server, to_server) = socket.into_split();
            tokio::join!(
                pass_on(from_client, to_server),
                spoil(from_server, to_client, flaw)
            );
        }
    }
}

async fn connect(path: &Path) -> (OwnedReadHalf, OwnedWriteHalf) {
    UnixStream::connect(path).await.unwrap().into_split()
}

async fn pass_on<R, W>(mut from: R, mut to: W)
where
    R: tokio::io::AsyncRead + Unpin,
    W: tokio::io::AsyncWrite + Unpin,
{
    tokio::io::copy(&mut from, &mut to).await.ok();
    to.shutdown().await.ok();
}

/// The flaw begins after the login.
async fn spoil<R, W>(mut from: R, mut to: W, flaw: Flaw)
where
    R: tokio::io::AsyncRead + Unpin,
    W: tokio::io::AsyncWrite + Unpin,
{
    let (mut read, mut write, mut ready) = (BytesMut::new(), BytesMut::new(), false);
    while from.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
        while let Some(frame) = Frame::cut(&mut read) {
            let first_ready = !ready && frame.tag == b'Z';
            let frames = if ready { flaw(frame) } else { vec![frame] };
            ready |= first_ready;
            for frame in frames {
                write.put_u8(frame.tag);
                write.put_u32(u32::try_from(frame.body.len() + 4).unwrap());
                write.put_slice(&frame.body);
            }
        }
        if to.write_all_buf(&mut write).await.is_err() {
            return;
        }
    }
}
