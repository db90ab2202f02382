use tinytorrent_bencode::Node;

use crate::info::keys;

keys! {
    /// The outermost dictionary of a torrent file.
    RootKeys {
        announce: b"announce",
        announce_list: b"announce-list",
        collections: b"collections",
        comment: b"comment",
        comment_utf8: b"comment.utf-8",
        created_by: b"created by",
        creation_date: b"creation date",
        httpseeds: b"httpseeds",
        info: b"info",
        magnet_info: b"magnet-info",
        magnet_uri: b"magnet-uri",
        nodes: b"nodes",
        piece_layers: b"piece layers",
        private: b"private",
        similar: b"similar",
        url_list: b"url-list",
    }
}
