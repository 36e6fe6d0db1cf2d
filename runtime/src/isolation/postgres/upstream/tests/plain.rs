//! What a build without TLS does where it is asked for.

use super::throwaway::{PASSWORD, Throwaway};
use crate::isolation::postgres::upstream::*;

#[tokio::test]
async fn what_may_be_plain_is_plain() {
    for mode in ["disable", "allow", "prefer"] {
        let account = format!("with_scram:{PASSWORD}");
        let config = Throwaway::get().tcp(&account, &format!("postgres?sslmode={mode}"));
        let mut upstream = Upstream::connect(&config).await.unwrap();
        assert!(!upstream.is_encrypted());
        let rows = upstream.simple("SELECT current_user").await.unwrap();
        assert_eq!(rows.first(), Some("with_scram"));
    }
}

#[tokio::test]
async fn what_has_to_be_encrypted_names_the_feature() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let config = Throwaway::get().tcp("trusted", &format!("postgres?sslmode={mode}"));
        let text = Upstream::connect(&config).await.unwrap_err().to_string();
        assert!(text.contains("`postgres-tls`"), "{text}");
    }
    let account = format!("only_tls:{PASSWORD}");
    let config = Throwaway::get().tcp(&account, "postgres");
    let text = Upstream::connect(&config).await.unwrap_err().to_string();
    for part in ["SQLSTATE 28000", "no encryption", "`postgres-tls`"] {
        assert!(text.contains(part), "{text}");
    }
}
