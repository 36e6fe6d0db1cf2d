use super::super::*;
use super::{client, server, written};

#[test]
fn what_clients_say_is_read_and_written() {
    let types = [0, 2, 0, 0, 0, 23, 0, 0, 0, 0];
    let body = [&b"n\xff\0select 1\0"[..], &types].concat();
    let length = u8::try_from(body.len() + 4).expect("short");
    let frame = [&[b'P', 0, 0, 0, length], &body[..]].concat();
    let Ok(Client::Parse { name, query, types }) = client(&frame) else {
        panic!("a Parse");
    };
    assert_eq!((name, query), (&b"n\xff"[..], &b"select 1"[..]));
    assert_eq!(types.iter().collect::<Vec<_>>(), [23, 0]);

    let all = [
        Client::Parse { name, query, types },
        Client::Bind {
            portal: b"p",
            statement: b"s",
            rest: to_server::NO_VALUES,
        },
        Client::Describe(Target::Statement(b"s")),
        Client::Close(Target::Portal(b"")),
        Client::Execute {
            portal: b"p",
            max_rows: -1,
        },
        Client::Query {
            sql: b"select '\xff'",
        },
        Client::Sync,
        Client::Flush,
        Client::Terminate,
        Client::CopyData(b"1\t2\n"),
        Client::CopyDone,
        Client::CopyFail { message: b"no" },
        Client::FunctionCall {
            function: 42,
            rest: b"\0\0\0\0\0\0",
        },
    ];
    for frame in all {
        let bytes = written(|out| frame.write(out));
        assert_eq!(client(&bytes), Ok(frame));
    }
    assert_eq!(Oids::NONE.iter().count(), 0);
}

#[test]
fn a_password_is_read_as_what_was_asked_for() {
    let read = |bytes: &BytesMut| match client(bytes) {
        Ok(Client::Password(password)) => (
            password.password().map(<[u8]>::to_vec),
            password
                .sasl_initial()
                .map(|(name, data)| (name.to_vec(), data.map(<[u8]>::to_vec))),
            password.sasl().to_vec(),
        ),
        other => panic!("{other:?}"),
    };
    let (password, ..) = read(&written(|out| to_server::password(out, "secret")));
    assert_eq!(password, Ok(b"secret".to_vec()));
    for data in [None, Some(&b"n,,n=,r=x"[..])] {
        let bytes = written(|out| to_server::sasl_initial_response(out, "SCRAM-SHA-256", data));
        let expected = (b"SCRAM-SHA-256".to_vec(), data.map(<[u8]>::to_vec));
        assert_eq!(read(&bytes).1, Ok(expected));
    }
    let (password, initial, sasl) = read(&written(|out| to_server::sasl_response(out, b"c=biws")));
    assert_eq!(sasl, b"c=biws");
    assert!(password.is_err() && initial.is_err());
    let (_, negative, _) = read(&written(|out| {
        to_server::sasl_response(out, b"x\0\xff\xff\xff\xfe");
    }));
    assert!(negative.is_err());
}

type Writer = Box<dyn FnOnce(&mut BytesMut)>;

#[test]
fn what_servers_say_is_read() {
    let cases: Vec<(Writer, Server<'_>)> = vec![
        (Box::new(to_client::parse_complete), Server::ParseComplete),
        (Box::new(to_client::bind_complete), Server::BindComplete),
        (Box::new(to_client::close_complete), Server::CloseComplete),
        (Box::new(to_client::no_data), Server::NoData),
        (
            Box::new(to_client::portal_suspended),
            Server::PortalSuspended,
        ),
        (
            Box::new(to_client::empty_query_response),
            Server::EmptyQueryResponse,
        ),
        (
            Box::new(to_client::no_parameters),
            Server::ParameterDescription(&[0, 0]),
        ),
        (
            Box::new(|out| to_client::ready_for_query(out, Status::Failed)),
            Server::ReadyForQuery(Status::Failed),
        ),
        (
            Box::new(|out| to_client::parameter_status(out, "TimeZone", "UTC")),
            Server::ParameterStatus {
                name: b"TimeZone",
                value: b"UTC",
            },
        ),
        (
            Box::new(|out| to_client::backend_key_data(out, 7, b"abcd")),
            Server::BackendKeyData {
                process: 7,
                secret: b"abcd",
            },
        ),
        (
            Box::new(|out| to_client::notification_response(out, 7, b"c\xff", b"")),
            Server::NotificationResponse {
                process: 7,
                channel: b"c\xff",
                payload: b"",
            },
        ),
        (
            Box::new(to_client::authentication_ok),
            Server::Authentication(Authentication::Ok),
        ),
        (
            Box::new(to_client::authentication_cleartext_password),
            Server::Authentication(Authentication::CleartextPassword),
        ),
        (
            Box::new(|out| to_client::authentication_sasl_continue(out, b"r=")),
            Server::Authentication(Authentication::SaslContinue(b"r=")),
        ),
        (
            Box::new(|out| to_client::authentication_sasl_final(out, b"v=")),
            Server::Authentication(Authentication::SaslFinal(b"v=")),
        ),
    ];
    for (write, expected) in cases {
        let bytes = written(write);
        assert_eq!(server(&bytes), Ok(expected));
    }
    let md5 = server(b"R\0\0\0\x0c\0\0\0\x05salt");
    let salt = *b"salt";
    assert_eq!(
        md5,
        Ok(Server::Authentication(Authentication::Md5Password { salt }))
    );
    let gss = server(b"R\0\0\0\x08\0\0\0\x07");
    assert_eq!(gss, Ok(Server::Authentication(Authentication::Other(7))));
    let copy = CopyStart {
        binary: true,
        columns: 1,
    };
    assert_eq!(
        server(b"G\0\0\0\x09\x01\0\x01\0\x01"),
        Ok(Server::CopyIn(copy))
    );
    assert_eq!(
        server(b"H\0\0\0\x09\x01\0\x01\0\x01"),
        Ok(Server::CopyOut(copy))
    );
    assert_eq!(
        server(b"W\0\0\0\x09\x01\0\x01\0\x01"),
        Ok(Server::CopyBoth(copy))
    );
}

#[test]
fn mechanisms_are_listed() {
    let bytes = written(|out| to_client::authentication_sasl(out, &["SCRAM-SHA-256-PLUS", "X"]));
    let Ok(Server::Authentication(Authentication::Sasl(mechanisms))) = server(&bytes) else {
        panic!("a list of mechanisms");
    };
    let names: Vec<&[u8]> = mechanisms.iter().collect();
    assert_eq!(names, [&b"SCRAM-SHA-256-PLUS"[..], b"X"]);
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let report = Report {
        severity: Severity::Fatal,
        sqlstate: "25001",
        message: "not\0 here",
        detail: None,
        hint: Some("there"),
    };
    let bytes = written(|out| to_client::error(out, &report));
    assert_eq!(
        &bytes[..],
        b"E\0\0\0\x26SFATAL\0VFATAL\0C25001\0Mnot\0Hthere\0\0".to_vec()
    );
    let Ok(Server::ErrorResponse(fields)) = server(&bytes) else {
        panic!("an error");
    };
    assert_eq!(fields.severity(), b"FATAL");
    assert_eq!(fields.code(), b"25001");
    assert_eq!(fields.message(), b"not");
    assert_eq!(
        (fields.detail(), fields.hint()),
        (None, Some(&b"there"[..]))
    );
    assert_eq!((fields.constraint(), fields.table()), (None, None));
    assert_eq!(fields.iter().count(), 5);
    let notice = written(|out| to_client::notice(out, &report));
    assert!(matches!(server(&notice), Ok(Server::NoticeResponse(_))));
}

#[test]
fn tags_of_commands_count_rows() {
    let rows = |tag: &str| {
        let bytes = written(|out| to_client::command_complete(out, tag));
        match server(&bytes) {
            Ok(Server::CommandComplete(found)) => {
                assert_eq!(found.as_bytes(), tag.as_bytes());
                found.rows()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(rows("INSERT 0 5"), Some(5));
    assert_eq!(rows("SELECT 18446744073709551615"), Some(u64::MAX));
    assert_eq!(rows("BEGIN"), None);
    assert_eq!(rows(""), None);
}

#[test]
fn bodies_of_another_form_are_refused() {
    let clients: &[(&[u8], &str)] = &[
        (
            b"Q\0\0\0\x05x",
            "the client sent Query that has a string without an end",
        ),
        (
            b"Q\0\0\0\x06\0x",
            "the client sent Query that has bytes behind its end",
        ),
        (
            b"S\0\0\0\x05x",
            "the client sent Sync that has bytes behind its end",
        ),
        (
            b"D\0\0\0\x06X\0",
            "the client sent Describe that is neither about a statement nor about a portal",
        ),
        (
            b"E\0\0\0\x08\0\0\0\0",
            "the client sent Execute that ends early",
        ),
        (
            b"P\0\0\0\x08\0\0\0\x01",
            "the client sent Parse that has not as many types as it says",
        ),
        (
            b"P\0\0\0\x07\0\0\0",
            "the client sent Parse that ends early",
        ),
    ];
    for (bytes, expected) in clients {
        assert_eq!(
            client(bytes).map_err(|broken| broken.to_string()),
            Err((*expected).to_owned())
        );
    }
    let servers: &[(&[u8], &str)] = &[
        (
            b"Z\0\0\0\x05x",
            "the server sent ReadyForQuery that has an unknown transaction status",
        ),
        (
            b"E\0\0\0\x06Sx",
            "the server sent ErrorResponse that has a string without an end",
        ),
        (
            b"E\0\0\0\x04",
            "the server sent ErrorResponse that ends early",
        ),
        (
            b"N\0\0\0\x06\0\0",
            "the server sent NoticeResponse that has bytes behind its end",
        ),
        (
            b"G\0\0\0\x07\0\0\x01",
            "the server sent CopyInResponse that ends early",
        ),
        (
            b"R\0\0\0\x09\0\0\0\x0a\x41",
            "the server sent Authentication that has a string without an end",
        ),
    ];
    for (bytes, expected) in servers {
        assert_eq!(
            server(bytes).map_err(|broken| broken.to_string()),
            Err((*expected).to_owned())
        );
    }
}
