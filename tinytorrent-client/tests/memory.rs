//! The memory of a client under attacks by peers that make it hold as much as they can.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, Socket, Type};
use support::counting::{BYTES, Counting, PEAK};
use support::{address, in_time};
use tempfile::TempDir;
use tinytorrent_client::{Client, ClientOptions, Source, Torrent, TorrentOptions};
use tinytorrent_metainfo::{CreateOptions, Metainfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

#[global_allocator]
static COUNTING: Counting = Counting;

/// One attack at a time, as the allocations of all are counted together.
static TURN: Mutex<()> = Mutex::const_new(());

const BUDGET: usize = 8 << 20;

/// Memory that a client has whatever its peers do: tasks, the table of peers, tables of the torrent,
/// and what the test itself allocates meanwhile.
const FIXED: usize = 2 << 20;

/// Memory of a connection that is not in the budget: a buffer of 20 KiB, a few answers, and the list of
/// 2,000 requests with its copies for rejects.
const CONNECTION: usize = 96 << 10;

/// Number of attackers: more than one remote host would have; here all are on this machine.
const ATTACKERS: usize = 48;

/// Panics if more was allocated since a count than the budget and so many connections allow.
fn assert_bounded(before: usize, connections: usize) {
    let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    let limit = BUDGET + FIXED + connections * CONNECTION;
    println!("peak {} KiB of {} KiB", peak >> 10, limit >> 10);
    assert!(peak <= limit, "{peak} bytes, where {limit} are allowed");
}

/// Waits until the client has done what the attack makes it do: its memory grows no more.
async fn settle() {
    let mut peak = 0;
    while std::mem::replace(&mut peak, PEAK.load(Ordering::Relaxed)) != peak {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Begins to look for the most memory. Returns the bytes that are allocated now.
async fn begin() -> usize {
    // The runtime of the attack before may not have ended yet.
    let mut now = 0;
    while std::mem::replace(&mut now, BYTES.load(Ordering::Relaxed)) != now {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    PEAK.store(now, Ordering::Relaxed);
    now
}

/// A content of zeros on disk, which costs no memory here.
struct Content {
    folder: TempDir,
    metainfo: Metainfo,
}

impl Content {
    fn new(size: u64, piece_length: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seed = folder.path().join("seed");
        fs::create_dir_all(&seed).unwrap();
        let path = seed.join("zeros");
        fs::File::create(&path).unwrap().set_len(size).unwrap();
        let mut options = CreateOptions::new();
        options.piece_length(piece_length).unwrap();
        let metainfo = options.create(&path, &|_| ControlFlow::Continue(())).unwrap();
        Self { folder, metainfo }
    }

    async fn seed(&self, client: &Client) -> Torrent {
        let mut options = TorrentOptions::new(self.folder.path().join("seed"));
        options.read_only(true).resume(false).assume_complete(true);
        let torrent = client.add(&self.metainfo, options).unwrap();
        in_time(torrent.finished()).await.unwrap();
        torrent
    }

    /// Begins to download from this peer.
    fn leech(&self, client: &Client, source: impl Into<Source>, from: SocketAddr) -> Torrent {
        let mut options = TorrentOptions::new(self.folder.path().join("leech"));
        options.peer(from).resume(false);
        client.add(source, options).unwrap()
    }

    fn magnet(&self) -> Source {
        Source::from(self.metainfo.hashes())
    }
}

fn client(memory: usize) -> Client {
    let mut options = ClientOptions::default();
    options.listen("127.0.0.1:0".parse().unwrap()).memory(memory as u64);
    Client::start(options).unwrap()
}

/// A connection whose receive buffer in the system is as small as it can be, so that what is not read
/// stays with the client.
async fn connect(to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
    in_time(socket.connect(to)).await.unwrap()
}

/// The handshake of a peer that speaks the extension protocol and the fast extension.
fn handshake(content: &Content, number: usize) -> Vec<u8> {
    let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x04".to_vec();
    hello.extend(content.metainfo.hashes().to_wire().as_bytes());
    hello.extend(format!("-XX0000-{number:012}").into_bytes());
    hello
}

/// Connects peers that have greeted the client and read its greeting.
async fn attackers(client: &Client, content: &Content, count: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for number in 0..count {
        let mut socket = connect(address(client)).await;
        socket.write_all(&handshake(content, number)).await.unwrap();
        in_time(socket.read_exact(&mut [0; 68])).await.unwrap();
        all.push(socket);
    }
    all
}

/// Writes as much as the client takes until it takes no more for a while, or closes.
async fn say(socket: &mut TcpStream, bytes: &[u8]) {
    let _ = timeout(Duration::from_millis(500), socket.write_all(bytes)).await;
}

/// The same for all at the same time.
async fn all_say(sockets: Vec<TcpStream>, bytes: impl Fn(usize) -> Bytes) -> Vec<TcpStream> {
    let mut saying = JoinSet::new();
    for (number, mut socket) in sockets.into_iter().enumerate() {
        let bytes = bytes(number);
        saying.spawn(async move {
            say(&mut socket, &bytes).await;
            socket
        });
    }
    saying.join_all().await
}

/// Reads what is there.
async fn hear(socket: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    while let Ok(Ok(count @ 1..)) =
        timeout(Duration::from_millis(20), socket.read(&mut bytes)).await
    {
        heard.extend_from_slice(&bytes[..count]);
        if heard.len() > 1 << 16 {
            break;
        }
    }
    heard
}

fn message(id: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32 + 1;
    [&length.to_be_bytes()[..], &[id], payload].concat()
}

fn request(piece: u32, begin: u32) -> Vec<u8> {
    message(6, [piece, begin, 16 << 10].map(u32::to_be_bytes).as_flattened())
}

/// Indexes of the pieces that a peer may request while it is choked.
fn allowed(heard: &[u8]) -> Vec<u32> {
    let allowed = heard.windows(9).filter(|bytes| bytes[..5] == [0, 0, 0, 5, 17]);
    allowed.map(|bytes| u32::from_be_bytes(bytes[5..].try_into().unwrap())).collect()
}

/// W-27.
#[tokio::test]
async fn blocks_that_nobody_reads_are_not_read_ahead_from_the_disk() {
    let _turn = TURN.lock().await;
    let content = Content::new(64 << 20, 4 << 20);
    let client = client(BUDGET);
    let _seed = content.seed(&client).await;
    let before = begin().await;
    let mut peers = attackers(&client, &content, ATTACKERS).await;
    for socket in &mut peers {
        socket.write_all(&message(2, &[])).await.unwrap();
        let pieces = allowed(&hear(socket).await);
        // The first block of each run of 256 KiB, of the pieces that need no unchoke and of all.
        let runs = |piece| (0..16).map(move |run| request(piece, run << 18));
        let requests: Vec<u8> = pieces.into_iter().chain(0..16).flat_map(runs).flatten().collect();
        say(socket, &requests).await;
    }
    settle().await;
    assert_bounded(before, ATTACKERS);

    // An honest one beside them is served.
    let other = self::client(48 << 20);
    let small = Content::new(1 << 20, 1 << 18);
    let _small = small.seed(&client).await;
    let leech = small.leech(&other, &small.metainfo, address(&client));
    in_time(leech.finished()).await.unwrap();
    drop(peers);
}

///
#[tokio::test]
async fn answers_that_nobody_reads_wait_within_the_budget() {
    let _turn = TURN.lock().await;
    // Of 100,000 pieces, so that the metadata has 2 MB.
    let content = Content::new(100_000 << 14, 16 << 10);
    let client = client(BUDGET);
    let _seed = content.seed(&client).await;
    let before = begin().await;
    let mut peers = attackers(&client, &content, ATTACKERS).await;
    let blocks = content.metainfo.info().bytes().len().div_ceil(16 << 10);
    for socket in &mut peers {
        let mut said = message(20, b"\0d1:md11:ut_metadatai1eee");
        for block in (0..blocks).cycle().take(512) {
            let request = format!("\x01d8:msg_typei0e5:piecei{block}ee");
            said.extend(message(20, request.as_bytes()));
        }
        say(socket, &said).await;
    }
    settle().await;
    assert_bounded(before, ATTACKERS);

    // One that reads gets all of the metadata, and a block.
    let other = self::client(48 << 20);
    let mut options = TorrentOptions::new(content.folder.path().join("leech"));
    options.peer(address(&client)).resume(false);
    let leech = other.add(content.magnet(), options).unwrap();
    in_time(async {
        while leech.info().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    drop(peers);
}

///
#[tokio::test]
async fn names_of_extensions_are_not_collected() {
    let _turn = TURN.lock().await;
    let content = Content::new(1 << 20, 16 << 10);
    let client = client(BUDGET);
    let _seed = content.seed(&client).await;
    let before = begin().await;
    let mut peers = attackers(&client, &content, ATTACKERS).await;
    // A name of 900 KB, another one in each handshake; and a million short names in all.
    for round in 0..8_u8 {
        let long = [&b"d1:md900000:"[..], &vec![b'a' + round; 900_000], b"i1eee"].concat();
        let names: String = (0..4000).map(|n| format!("8:{round:02}{n:06}i1e")).collect();
        let many = format!("d1:md{names}ee").into_bytes();
        for socket in &mut peers {
            for handshake in [&long, &many] {
                say(socket, &message(20, &[b"\0", &handshake[..]].concat())).await;
            }
        }
    }
    settle().await;
    // What is sent is allocated here as well: three copies at a time.
    assert_bounded(before + (4 << 20), ATTACKERS);
    drop(peers);
}

/// W-17, X-10.
#[tokio::test]
async fn bitfields_before_the_metadata_do_not_keep_the_honest_seed_from_being_read() {
    let _turn = TURN.lock().await;
    let content = Content::new(4 << 20, 16 << 10);
    let seeder = client(48 << 20);
    let _seed = content.seed(&seeder).await;
    let leecher = client(BUDGET);
    let mut options = TorrentOptions::new(content.folder.path().join("leech"));
    options.resume(false);
    let torrent = leecher.add(content.magnet(), options).unwrap();
    let before = begin().await;
    let peers = attackers(&leecher, &content, ATTACKERS).await;
    let bitfield = Bytes::from(message(5, &vec![0xff; (1 << 20) - 1]));
    // Some are complete, and some lack the last bytes.
    let part = |number: usize| bitfield.slice(..bitfield.len() - (number % 2) * 1000);
    let peers = all_say(peers, part).await;
    let short = Bytes::from(message(5, &vec![0xff; 20_000]));
    let peers = all_say(peers, |_| short.clone()).await;
    settle().await;
    torrent.add_peers([address(&seeder).into()]);
    in_time(torrent.finished()).await.unwrap();
    assert_bounded(before + (2 << 20), ATTACKERS + 2);
    drop(peers);
}

/// Announces metadata of this size, and sends wrong blocks of it for as long as the client asks for some.
async fn send_wrong_metadata(mut socket: TcpStream, size: usize) {
    let hello = format!("\0d1:md11:ut_metadatai1ee13:metadata_sizei{size}ee");
    socket.write_all(&message(20, hello.as_bytes())).await.unwrap();
    let block = 16 << 10;
    let mut received = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        let Ok(count @ 1..) = socket.read(&mut bytes).await else { return };
        received.extend_from_slice(&bytes[..count]);
        while let Some(prefix) = received.first_chunk::<4>()
            && let Some(end) = Some(4 + u32::from_be_bytes(*prefix) as usize)
            && end <= received.len()
        {
            let frame: Vec<u8> = received.drain(..end).collect();
            let text = String::from_utf8_lossy(&frame);
            let Some((_, number)) = text.split_once("5:piecei") else { continue };
            let number: usize = number.split('e').next().unwrap().parse().unwrap();
            let length = block.min(size - number * block);
            let answer = format!("\x01d8:msg_typei1e5:piecei{number}e10:total_sizei{size}ee");
            let answer = [answer.as_bytes(), &vec![b'x'; length]].concat();
            if socket.write_all(&message(20, &answer)).await.is_err() {
                return;
            }
        }
    }
}

///
#[tokio::test]
async fn metadata_of_many_magnets_is_fetched_within_the_budget_of_all() {
    let _turn = TURN.lock().await;
    const MAGNETS: usize = 20;
    const SIZES: usize = 16;
    let leecher = client(BUDGET);
    let contents: Vec<_> =
        (0..MAGNETS).map(|n| Content::new((64 << 10) + n as u64, 16 << 10)).collect();
    let torrents: Vec<_> = contents
        .iter()
        .map(|content| {
            let mut options = TorrentOptions::new(content.folder.path().join("leech"));
            options.resume(false);
            leecher.add(content.magnet(), options).unwrap()
        })
        .collect();
    let before = begin().await;
    let mut attacks = JoinSet::new();
    for content in &contents {
        let peers = attackers(&leecher, content, SIZES).await;
        for (number, socket) in (1..).zip(peers) {
            attacks.spawn(send_wrong_metadata(socket, number * (2 << 20)));
        }
    }
    let mut most = 0;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let stats = leecher.memory();
        most = stats.metadata.max(most);
        assert!(stats.metadata + stats.receive <= stats.budget / 2, "{stats:?}");
    }
    assert!(most >= 2 << 20, "a size that fits is tried");
    // Nothing is requested of most of them, so that a connection costs a quarter of what it may.
    assert_bounded(before, MAGNETS * SIZES / 4);

    // One with an honest peer is resolved beside them.
    let seeder = client(48 << 20);
    let _seed = contents[7].seed(&seeder).await;
    torrents[7].add_peers([address(&seeder).into()]);
    in_time(torrents[7].finished()).await.unwrap();
    drop(attacks);
}

/// W-09.
#[tokio::test]
async fn long_messages_that_never_end_leave_room_for_the_honest_seed() {
    let _turn = TURN.lock().await;
    let content = Content::new(8 << 20, 256 << 10);
    let seeder = client(48 << 20);
    let _seed = content.seed(&seeder).await;
    let leecher = client(BUDGET);
    let nobody = "127.0.0.1:1".parse().unwrap();
    let torrent = content.leech(&leecher, &content.metainfo, nobody);
    let before = begin().await;
    let peers = attackers(&leecher, &content, ATTACKERS).await;
    let endless = Bytes::from(message(20, &vec![7; (1 << 20) - 1]));
    let peers = all_say(peers, |_| endless.slice(..endless.len() - 1)).await;
    settle().await;
    torrent.add_peers([address(&seeder).into()]);
    in_time(torrent.finished()).await.unwrap();
    assert_bounded(before + (1 << 20), ATTACKERS + 2);
    drop(peers);
}
