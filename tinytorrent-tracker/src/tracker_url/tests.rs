use super::*;

fn url(text: &str) -> TrackerUrl {
    text.parse().unwrap()
}

fn error(text: &str) -> UrlErrorKind {
    text.parse::<TrackerUrl>().unwrap_err().kind
}

/// H-05
#[test]
fn path_and_query_stay_as_they_were_written() {
    for tail in ["/a/../b//c/./announce", "/%2f%2F?x=%zz&y=a+b%20c&&=", "/~!$'()*,;:@", ""] {
        assert_eq!(url(&format!("http://h{tail}")).path_and_query(), tail);
    }
}

/// H-04
#[test]
fn fragment_is_dropped_and_user_info_is_kept_out_of_host() {
    let url = url("http://joe:pa@ss@h:8080/announce#frag");
    assert_eq!(url.user_info(), Some("joe:pa@ss"));
    assert_eq!((url.host(), url.port()), ("h", 8080));
    assert_eq!(url.path_and_query(), "/announce");
    assert!(!url.to_string().contains("pa@ss"));
}

/// H-39
#[test]
fn ipv6_literals_idna_names_and_trailing_dots_are_hosts() {
    let literal = url("http://[::1]:6969/announce");
    assert_eq!((literal.host(), literal.port()), ("[::1]", 6969));
    assert_eq!(literal.host_to_resolve(), "::1");
    assert_eq!(url("udp://[2001:DB8::1]:1").host(), "[2001:db8::1]");
    assert_eq!(url("http://bücher.example/").host(), "xn--bcher-kva.example");
    assert_eq!(url("http://t.example./").host_to_resolve(), "t.example");
}

/// U-36
#[test]
fn udp_without_a_port_is_an_error_that_names_the_url() {
    let error = "udp://tracker.example".parse::<TrackerUrl>().unwrap_err();
    assert_eq!(error.kind, UrlErrorKind::NoPort);
    assert!(error.to_string().contains("udp://tracker.example"));
}

#[test]
fn what_cannot_be_a_tracker_says_why() {
    assert_eq!(error("tracker.example/announce"), UrlErrorKind::NoScheme);
    assert_eq!(error("wss://h/"), UrlErrorKind::UnsupportedScheme("wss".into()));
    assert_eq!(error("http:///announce"), UrlErrorKind::BadHost);
    assert_eq!(error("http://h:70000/"), UrlErrorKind::BadPort);
    assert_eq!(error("udp://h:0"), UrlErrorKind::BadPort);
    assert_eq!(error(&format!("http://h/{}", "a".repeat(9000))), UrlErrorKind::TooLong);
}

/// H-35, BEP 48
#[test]
fn scrape_replaces_announce_at_the_start_of_the_last_segment_only() {
    let scrape = |text: &str| url(text).to_scrape().map(|url| url.path_and_query().to_owned());
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(scrape("http://announce.h/announce"), some("/scrape"));
    assert_eq!(scrape("http://h/announce/announce.php"), some("/announce/scrape.php"));
    assert_eq!(scrape("http://h/x/announce?x=2"), some("/x/scrape?x=2"));
    assert_eq!(scrape("http://h/announce?x=/announce"), some("/scrape?x=/announce"));
    assert_eq!(scrape("http://h/announce?x2%0644"), some("/scrape?x2%0644"));
    for unscrapable in ["/a", "/announce/x", "/x%064announce", "/announce/", "", "?announce"] {
        assert_eq!(scrape(&format!("http://h{unscrapable}")), None, "{unscrapable}");
    }
    assert_eq!(scrape("udp://h:1/announce"), some("/announce"));
}

/// H-29
#[test]
fn redirects_may_be_relative() {
    let base = url("http://h:81/a/announce?x=1");
    let joined = |to: &str| base.join(to).unwrap().to_string();
    assert_eq!(joined("https://other/b"), "https://other/b");
    assert_eq!(joined("//other/b"), "http://other/b");
    assert_eq!(joined("/b?y"), "http://h:81/b?y");
    assert_eq!(joined("b"), "http://h:81/a/b");
    assert_eq!(joined("?z=://"), "http://h:81/a/announce?z=://");
}

/// H-29
#[test]
fn a_password_follows_a_redirect_to_the_same_server_only() {
    let base = url("http://joe:secret@h/announce");
    let user_info = |to: &str| base.join(to).unwrap().user_info().map(str::to_owned);
    assert_eq!(user_info("/b").as_deref(), Some("joe:secret"));
    for elsewhere in ["//other/b", "http://other/b", "https://h/b"] {
        assert_eq!(user_info(elsewhere), None, "{elsewhere}");
    }
}

#[test]
fn what_a_request_line_cannot_hold_is_escaped() {
    assert_eq!(url("http://h/a b\u{e9}|\u{1}").path_and_query(), "/a%20b%C3%A9%7C%01");
}

#[test]
fn an_error_does_not_show_the_password() {
    let told = "udp://joe:secret@h/a@b".parse::<TrackerUrl>().unwrap_err().to_string();
    assert!(told.contains("joe:…@h/a@b") && !told.contains("secret"), "{told}");
}
