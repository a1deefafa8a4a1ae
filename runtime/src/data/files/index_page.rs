//! What an index page names: the links right below its folder, whichever of the usual servers wrote it (Apache, nginx,
//! lighttpd, Caddy, those of Python and Go).
//!
//! A page is believed if it looks like one: it names something below the folder, or the folder above, or calls itself an
//! index. Of a page that was cut short nothing is believed, for what it lacks would be taken for missing.

use percent_encoding::percent_decode_str;
use reqwest::Url;

/// A file or a folder right below the page's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    pub name: String,
    pub folder: bool,
}

/// The links of a page, each once; `folder` is the page's address.
///
/// # Errors
/// A page that is none of an index, or not whole.
pub fn links(page: &str, folder: &Url) -> Result<Vec<Link>, String> {
    let lower = page.to_ascii_lowercase();
    if let Some(element) = ["html", "pre", "table", "ul"].into_iter().find(|element| is_open(&lower, element))
    {
        return Err(format!("the page was cut short: its `<{element}>` does not end"));
    }
    let here = parts(folder).ok_or_else(|| format!("{folder} is no address of a folder"))?;
    let (mut found, mut above) = (Vec::new(), false);
    for target in targets(page).iter().filter_map(|target| folder.join(target.trim()).ok()) {
        let Some(there) = parts(&target).filter(|_| target.host_str() == folder.host_str()) else { continue };
        match there.strip_prefix(here.as_slice()) {
            // Orders of the same page have no name, and what a page offers to do with a file is another address of it.
            Some([name]) if target.query().is_none() => {
                found.push(Link { name: name.clone(), folder: target.path().ends_with('/') });
            }
            _ => above |= there.len() + 1 == here.len() && here.starts_with(&there),
        }
    }
    let calls_itself =
        ["index of", "directory listing", "listing of"].iter().any(|words| lower.contains(words));
    if found.is_empty() && !above && !calls_itself {
        return Err(
            "the page is no index of a folder: it names nothing below it, nor the folder above".into()
        );
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Whether the last of these elements has no end.
fn is_open(page: &str, element: &str) -> bool {
    let begin = format!("<{element}");
    let begins = page.match_indices(&begin).filter(|(at, _)| {
        page[at + begin.len()..].starts_with(|after: char| after == '>' || after.is_whitespace())
    });
    begins.last().is_some_and(|(at, _)| !page[at..].contains(&format!("</{element}")))
}

/// The decoded parts of an address's path; nothing if one of them is no name.
fn parts(address: &Url) -> Option<Vec<String>> {
    let parts = address.path().split('/').filter(|part| !part.is_empty());
    let decoded = parts.map(|part| percent_decode_str(part).decode_utf8().ok().map(|part| part.into_owned()));
    let plain = |part: &String| {
        !matches!(part.as_str(), "." | "..")
            && !part.contains(['/', '\\'])
            && !part.contains(char::is_control)
    };
    decoded.collect::<Option<Vec<String>>>().filter(|parts| parts.iter().all(plain))
}

/// What the `href`s of all `<a …>` say.
fn targets(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some(mut tag) = rest.strip_prefix(['a', 'A']).filter(|tag| tag.starts_with(char::is_whitespace))
        else {
            continue;
        };
        while let Some((name, value, after)) = attribute(tag) {
            if name.eq_ignore_ascii_case("href") {
                found.push(plain(value));
            }
            tag = after;
        }
        rest = tag;
    }
    found
}

/// The next attribute within a tag, its value, and what follows; nothing at the tag's end.
fn attribute(tag: &str) -> Option<(&str, &str, &str)> {
    let tag = tag.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '/');
    let end = tag.find(|letter: char| letter.is_whitespace() || matches!(letter, '=' | '>' | '/'))?;
    let (name, after) = tag.split_at(end);
    let Some(value) = after.trim_start().strip_prefix('=').map(str::trim_start) else {
        return (!name.is_empty()).then_some((name, "", after));
    };
    if let Some(quote @ ('"' | '\'')) = value.chars().next() {
        let (value, after) = value[1..].split_once(quote)?;
        return Some((name, value, after));
    }
    let end = value.find(|letter: char| letter.is_whitespace() || letter == '>')?;
    Some((name, &value[..end], &value[end..]))
}

/// Without the entities that stand in attributes.
fn plain(value: &str) -> String {
    let entities =
        [("&#39;", "'"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    entities.iter().fold(value.to_string(), |text, (entity, letter)| text.replace(entity, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(page: &str) -> Result<Vec<(String, bool)>, String> {
        let folder = Url::parse("https://x.test/pub/hrrr/prod/").unwrap();
        let links = links(page, &folder)?;
        Ok(links.into_iter().map(|link| (link.name, link.folder)).collect())
    }

    fn named(names: &[(&str, bool)]) -> Result<Vec<(String, bool)>, String> {
        Ok(names.iter().map(|(name, folder)| ((*name).to_string(), *folder)).collect())
    }

    /// In the forms of the servers that write them.
    #[test]
    fn the_usual_servers_are_understood() {
        let apache = r#"<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
            <html><head><title>Index of /pub/hrrr/prod</title></head><body><h1>Index of /pub/hrrr/prod</h1>
            <pre>Name <a href="?C=N;O=D">Name</a> <a href="?C=M;O=A">Last modified</a><hr>
            <img src="/icons/back.gif" alt="[DIR]"> <a href="/pub/hrrr/">Parent Directory</a>       -
            <img src="x.gif"> <a href="hrrr.20201214/">hrrr.20201214/</a>   2020-12-14 03:25    -
            <a href="a%20b%2Bc.grib2">a b+c.grib2</a> 2020-12-14 03:25  1.2M<hr></pre></body></html>"#;
        assert_eq!(of(apache), named(&[("a b+c.grib2", false), ("hrrr.20201214", true)]));
        let nginx = "<html>\r\n<head><title>Index of /pub/hrrr/prod/</title></head>\r\n<body><hr><pre><a href=\"../\">../</a>\r\n\
            <a href=\"conus/\">conus/</a> 14-Dec-2020 03:25 -\r\n<a href=\"x.idx\">x.idx</a> 12\r\n</pre></body></html>";
        assert_eq!(of(nginx), named(&[("conus", true), ("x.idx", false)]));
        let python = "<!DOCTYPE HTML>\n<html><title>Directory listing for /</title>\n<ul>\n\
            <li><a href=\"R%26D.txt\">R&amp;D.txt</a></li>\n<li><a href='it&#x27;s'>x</a></li></ul>\n</html>";
        assert_eq!(of(python), named(&[("R&D.txt", false), ("it's", false)]));
        let go = "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n<a href=\"b/\">b/</a>\n</pre>\n";
        assert_eq!(of(go), named(&[("b", true)]));
        let caddy = "<html><table><tr><td><a href=./c.nc class=\"file\">c</a></td><td><A HREF = './d/' >d</A></td></table></html>";
        assert_eq!(of(caddy), named(&[("c.nc", false), ("d", true)]));
    }

    #[test]
    fn links_elsewhere_are_none() {
        let page = r##"<html><a href="../">up</a> <a href="">here</a> <a href="#top">top</a> <a href="/pub/other/x">x</a>
            <a href="https://y.test/pub/hrrr/prod/y">y</a> <a href="//y.test/pub/hrrr/prod/z">z</a> <a href="mailto:a@b">m</a>
            <a href="deep/er.grib2">deeper</a> <a href="%2e%2e%2fetc">e</a> <a href="..%5cetc">e</a> <a href="a%2fb">ab</a>
            <a href="bad%ff">bad</a> <a href="new%0aline">n</a> <a href="x.grib2?download=1">x</a> <a name="q">q</a>
            <!-- <a href="hidden">h</a> --> <link href="style.css"> <abbr href="no">n</abbr> <a data-href="no2" title="a > b"
            href="https://x.test/pub/hrrr/prod/full.grib2">f</a> <a href="/pub/hr%72r/prod/same.grib2">s</a>
            <a href="same.grib2">s</a></html>"##;
        assert_eq!(of(page), named(&[("full.grib2", false), ("same.grib2", false)]));
    }

    #[test]
    fn a_page_that_was_cut_is_not_believed() {
        let page = "<html><head><title>Index of /</title></head><body><table><tr><a href=\"a\">a</a></tr><tr>\
            <a href=\"b\">b</a></tr></table></body></html>";
        assert_eq!(of(page).map(|links| links.len()), Ok(2));
        for cut in 0..page.len() {
            match of(&page[..cut]) {
                // What is missing is the last letter.
                Ok(links) => assert!(cut + 1 == page.len() && links.len() == 2, "{}", &page[..cut]),
                Err(reason) => {
                    assert!(reason.contains("cut short") || reason.contains("no index"), "{cut}: {reason}");
                }
            }
        }
        let list = "<pre><a href=\"a\">a</a>\n<a href=\"b\">b</a></pre>";
        assert!(of(&list[..30]).unwrap_err().contains("`<pre>` does not end"));
    }

    #[test]
    fn other_pages_are_none() {
        for page in [
            "",
            "not found",
            "<html><form action=\"/login\"><input name=\"password\"></form><a href=\"/help/\">Help</a></html>",
            "{\"error\": \"no such folder\"}",
            "<html><script src=\"app.js\"></script></html>",
        ] {
            assert!(of(page).unwrap_err().contains("no index of a folder"), "{page}");
        }
        // An empty folder.
        assert_eq!(of("<html><h1>Index of /pub/hrrr/prod</h1><a href=\"..\">Up</a></html>"), named(&[]));
        assert_eq!(of("<html><title>Directory listing for /pub</title><ul>\n</ul></html>"), named(&[]));
    }
}
