mod lexing;
mod openings;
mod properties;
mod views;

use super::*;

const LIMIT: usize = 1 << 20;

fn written(write: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut out);
    out
}

/// The one frame in these bytes.
fn only(side: Side, bytes: &[u8]) -> View<'_> {
    let lexer = Lexer::new(side, LIMIT);
    let (view, rest) = lexer.view(bytes).expect("a good head").expect("whole");
    assert_eq!(rest, b"");
    view
}

fn server(bytes: &[u8]) -> Result<Server<'_>, Broken> {
    Server::read(only(Side::Server, bytes))
}

fn client(bytes: &[u8]) -> Result<Client<'_>, Broken> {
    Client::read(only(Side::Client, bytes))
}
