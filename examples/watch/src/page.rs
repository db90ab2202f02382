use std::fmt::Write;

use tinytorrent_examples::{escape_html, format_duration, format_size};
use tinytorrent_types::Printable;

use crate::{Phase, Row, Status};

/// The status as a page of plain HTML, which fetches itself again each five seconds and runs no code.
pub(crate) fn page(status: &Status) -> String {
    let mut page = String::from(HEAD);
    let folder = escape(&status.folder.to_string_lossy());
    let output = escape(&status.output.to_string_lossy());
    let _ = write!(page, "<h1>{folder} &rarr; {output}</h1>\n<p>");
    for phase in Phase::ALL {
        let count = status.count(phase);
        if count > 0 {
            let _ = write!(page, "{count} {} &middot; ", phase.name());
        }
    }
    let _ = writeln!(
        page,
        "&darr; {}/s &middot; &uarr; {}/s &middot; {} peers &middot; received {}, sent {} in {}</p>",
        format_size(status.sum(|stats| stats.download_rate)),
        format_size(status.sum(|stats| stats.upload_rate)),
        status.sum(|stats| stats.peers.into()),
        format_size(status.totals.downloaded),
        format_size(status.totals.uploaded),
        format_duration(status.totals.uptime),
    );
    page.push_str(TABLE);
    status.rows.iter().for_each(|row| write_row(&mut page, row));
    page.push_str(FOOT);
    page
}

fn write_row(page: &mut String, row: &Row) {
    let size = row.total().map_or_else(|| "?".to_owned(), format_size);
    let note = match (&row.error, row.remaining()) {
        (Some(error), _) => escape(error),
        (None, Some(time)) => format!("{} left", format_duration(time)),
        (None, None) => String::new(),
    };
    let percent = (row.done() * 1000.0).floor() / 10.0;
    let _ = writeln!(
        page,
        "<tr class=\"{phase}\"><td title=\"{hashes}\">{name}<td>{phase}<td>{percent:.1} % \
         <progress max=\"100\" value=\"{percent:.1}\"></progress><td>{size}<td>{down}/s<td>{up}/s\
         <td>{peers}<td>{ratio:.2}<td>{note}",
        phase = row.phase.name(),
        hashes = row.hashes,
        name = escape(&row.name),
        down = format_size(row.stats.download_rate),
        up = format_size(row.stats.upload_rate),
        peers = row.stats.peers,
        ratio = row.ratio,
    );
}

/// Text from strangers, as it can stand in the page and be read.
fn escape(text: &str) -> String {
    escape_html(&Printable(text).to_string())
}

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>tinytorrent watch</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
h1 { font-size: 1.2em }
table { border-collapse: collapse; width: 100% }
td, th { padding: .2em .8em .2em 0; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, td:last-child, th:first-child, th:last-child { text-align: left }
td:first-child { overflow-wrap: anywhere }
.failed { color: #b00 } .paused, .queued, .done { color: #777 }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #111 } td, th { border-color: #333 } .failed { color: #f66 }
}
</style>
";

const TABLE: &str = "<table>
<tr><th>name<th>state<th>done<th>size<th>down<th>up<th>peers<th>ratio<th>
";

const FOOT: &str = "</table>
<p><a href=\"status.json\">JSON</a> &middot; <a href=\"metrics\">metrics</a></p>
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{row, status};

    #[test]
    fn a_page_has_a_line_for_each_torrent() {
        let page =
            page(&status(vec![row(1, "film", Phase::Downloading), row(2, "x", Phase::Seeding)]));
        assert!(page.contains("1 downloading &middot; 1 seeding"), "{page}");
        assert!(page.contains(">film<td>downloading<td>25.0 %"), "{page}");
        assert_eq!(page.matches("<tr class=").count(), 2);
    }

    #[test]
    fn names_from_strangers_are_text_and_nothing_else() {
        let mut evil = row(1, "<script>alert(1)</script>\"'\u{202e}&\x1b", Phase::Failed);
        evil.error = Some("cannot open <b>\"x\"</b>".into());
        let page = page(&status(vec![evil]));
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;\u{fffd}&amp;\u{fffd}")
        );
        assert!(!page.contains(['\u{202e}', '\x1b']));
    }
}
