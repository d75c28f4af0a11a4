use super::*;

fn complaints(text: &str) -> Vec<String> {
    look(&syn::parse_file(text).unwrap())
}

#[test]
fn what_is_public_may_not_show_what_is_inside() {
    for shown in [
        "pub fn f() -> reqwest::Client { todo() }",
        "pub fn f(given: Vec<Option<reqwest::Client>>) {}",
        "use reqwest::Client; pub fn f(client: &Client) {}",
        "use reqwest::{Client as Http}; pub struct S { pub http: Http }",
        "use reqwest as http; pub struct S(pub http::Client);",
        "type Inner = reqwest::Client; pub fn f() -> Inner { todo() }",
        "pub type Client = reqwest::Client;",
        "pub use reqwest::Client;",
        "pub use reqwest;",
        "use reqwest::*;",
        "pub enum E { Http(reqwest::Error) }",
        "pub enum E { Http { source: reqwest::Error } }",
        "pub trait T { fn client(&self) -> reqwest::Client; }",
        "pub struct S; impl S { pub fn client(&self) -> reqwest::Client { todo() } }",
        "pub struct S; impl From<reqwest::Error> for S { fn from(_: reqwest::Error) -> Self { S } }",
        "pub struct S<T: Into<reqwest::Client>>(T);",
        "pub fn f() -> impl Iterator<Item = reqwest::Client> { todo() }",
        "pub fn f<T>(_: T) where T: Into<reqwest::Client> {}",
        "pub mod m { pub fn f() -> reqwest::Client { todo() } }",
        "pub const C: Option<reqwest::Client> = None;",
    ] {
        let found = complaints(shown);
        assert!(
            found.iter().any(|each| each.contains("`reqwest`") || each.contains("reqwest::")),
            "{shown}: {found:?}"
        );
    }
}

#[test]
fn what_is_inside_may_stay_there() {
    for hidden in [
        "fn f() -> reqwest::Client { todo() }",
        "pub(crate) fn f() -> reqwest::Client { todo() }",
        "pub struct S { http: reqwest::Client }",
        "struct S; impl From<reqwest::Error> for S { fn from(_: reqwest::Error) -> Self { S } }",
        "pub struct S; impl S { pub(crate) fn client(&self) -> reqwest::Client { todo() } }",
        "pub fn f() { let _ = reqwest::Client::new(); }",
        "#[cfg(test)] mod tests { pub fn f() -> reqwest::Client { todo() } }",
        "pub fn f() -> url::Url { todo() }",
    ] {
        assert_eq!(complaints(hidden), [""; 0], "{hidden}");
    }
}

#[test]
fn a_secret_is_no_plain_text_where_it_would_be_written() {
    let refused = "would write its";
    for written in [
        "#[derive(Debug)] struct S { password: String }",
        "#[derive(Clone, Serialize)] pub struct S { pub api_token: Option<String> }",
        "#[derive(serde::Serialize)] pub enum E { One { client_secret: Cow<'static, str> } }",
    ] {
        let found = complaints(written);
        assert!(found.iter().any(|each| each.contains(refused)), "{written}: {found:?}");
    }
    for kept in [
        "#[derive(Clone)] struct S { password: String }",
        "#[derive(Debug)] struct S { password: SecretString }",
        "#[derive(Debug)] struct S { password_env: String, max_tokens: String }",
    ] {
        assert_eq!(complaints(kept), [""; 0], "{kept}");
    }
}

/// What the canary would have to write of these sources.
fn missing(sources: &[&str], canary: &str) -> Vec<String> {
    let mut types = holders::Types::default();
    sources.iter().for_each(|text| types.learn("orch", &syn::parse_file(text).unwrap()));
    types.missing(&syn::parse_file(canary).unwrap())
}

#[test]
fn a_type_that_may_hold_a_secret_is_written_by_the_canary() {
    let inner = "#[derive(Debug)] struct Inner { key: Option<SecretString> }";
    for outer in [
        "#[derive(Debug)] pub struct Outer { inner: Arc<Inner> }",
        "#[derive(Clone)] pub struct Outer(Vec<Inner>); impl fmt::Debug for Outer {}",
        "pub struct Outer { password: Option<String> } impl fmt::Debug for Outer {}",
        "#[derive(Serialize)] pub enum Outer { None, One { inner: Inner } }",
        "mod m { #[derive(Clone, Debug)] pub struct Outer { token: SecretString } }",
    ] {
        let found = missing(&[outer, inner], "fn f() { other.add(1); }");
        assert!(matches!(&found[..], [one] if one.contains("`Outer`")), "{outer}: {found:?}");
        let canary = r#"async fn f() { written.add("Outer, with a key", &outer); }"#;
        assert_eq!(missing(&[inner, outer], canary), [""; 0], "{outer}");
    }
    for harmless in [
        "pub struct Outer { inner: Inner }",
        "#[derive(Debug)] struct Outer { inner: Inner }",
        "#[derive(Debug)] pub struct Outer { inner: Other }",
        "#[derive(Debug)] pub struct Outer { inner: std::other::Inner }",
        "use other::Inner; #[derive(Debug)] pub struct Outer { inner: Inner }",
        "#[derive(Debug)] pub struct Outer { inner: Box<dyn Inner> }",
        "#[cfg(test)] mod tests { #[derive(Debug)] pub struct Outer { inner: Inner } }",
    ] {
        assert_eq!(missing(&[harmless, inner], ""), [""; 0], "{harmless}");
    }
}

/// What a macro makes cannot be seen, so that it may have nothing to do with secrets.
#[test]
fn a_macro_makes_no_type_that_may_hold_a_secret() {
    let inner = "#[derive(Debug)] struct Inner(SecretString);";
    for made in [
        "macro_rules! types { ($name:ident) => { pub struct $name(SecretString); } }",
        "macro_rules! types { ($name:ident, $of:ty) => { pub struct $name($of); } } types! { Outer, Inner }",
    ] {
        let found = missing(&[made, inner], "");
        assert!(matches!(&found[..], [one] if one.contains("a macro makes")), "{made}: {found:?}");
    }
    assert_eq!(
        missing(&["macro_rules! ids { ($name:ident) => { pub struct $name(Arc<str>); } }"], ""),
        [""; 0]
    );
}

#[test]
fn the_libraries_show_nothing_of_what_is_inside() {
    let workspace = crate::workspace::Workspace::load().unwrap();
    let files = |name: &str| {
        let packages = workspace.metadata.workspace_packages();
        let package = packages.into_iter().find(|package| package.name.as_str() == name).unwrap();
        sources(package).unwrap().len()
    };
    assert!(files("orch-opencode") > 30 && files("orch-fuzz") == 0 && files("orch-cli") == 0);
    check(&workspace.metadata).unwrap_or_else(|error| panic!("{error}"));
}
