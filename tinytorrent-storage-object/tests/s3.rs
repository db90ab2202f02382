//! The protocol of S3 with a server that others have made: moto, on loopback, as it is and behind a relay that
//! breaks answers. Left out where there is no `moto_server`.

mod common;

use std::{
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use common::{
    World,
    clients::{address, client, in_memory, in_time, seed_from_memory, torrent},
};
use tinytorrent_client::{MemoryContent, TorrentOptions};
use tinytorrent_storage::{
    Content, Fault,
    contract::{Contract, Place},
};
use tinytorrent_storage_object::{Bucket, ObjectContent, ObjectOptions};

/// A server of S3 with one bucket, in memory. It ends with this value.
struct Moto {
    process: Child,
    address: SocketAddr,
}

impl Moto {
    /// Starts the server; `None` if the machine has none.
    ///
    /// # Panics
    /// If there is none and `TINYTORRENT_INTEROP=require` is set.
    fn start() -> Option<Self> {
        let program = env::var_os("TINYTORRENT_MOTO").unwrap_or("moto_server".into());
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let started = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &free.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = match started {
            Ok(process) => process,
            Err(error) => {
                let required =
                    env::var("TINYTORRENT_INTEROP").is_ok_and(|value| value == "require");
                assert!(!required, "{program:?} cannot be started: {error}");
                eprintln!(
                    "left out, as there is no moto_server: python3 -m venv target/moto && \
                     target/moto/bin/pip install 'moto[server]==5.2.5' && \
                     export TINYTORRENT_MOTO=$PWD/target/moto/bin/moto_server"
                );
                return None;
            }
        };
        let moto = Self { process, address: free };
        let is_up = || TcpStream::connect(free).is_ok();
        // It imports a lot of Python.
        assert!(
            (0..1200).any(|_| is_up() || {
                thread::sleep(SHORT_WAIT);
                false
            }),
            "it starts"
        );
        let answer = moto.ask("PUT /bucket HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assert!(answer.contains(" 200 "), "{answer}");
        Some(moto)
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn bucket(server: SocketAddr, options: &ObjectOptions) -> Bucket {
    let settings = [
        ("aws_endpoint", format!("http://{server}")),
        ("aws_allow_http", "true".to_owned()),
        ("aws_access_key_id", "key".to_owned()),
        ("aws_secret_access_key", "secret".to_owned()),
        ("aws_region", "us-east-1".to_owned()),
    ];
    Bucket::from_url("s3://bucket/some/prefix", settings, options).unwrap()
}

fn check(bucket: &Bucket) {
    let open = |place: &Place| -> Arc<ObjectContent> {
        let layout = Arc::clone(&place.layout);
        Arc::new(bucket.open_layout(layout, place.identity, &place.folder, false).unwrap())
    };
    Contract::new(open).lasts(true).moves(true).check();
}

// S-32, S-35, S-36, S-37. One test, as the server takes longer to start than all of it.
#[test]
fn a_real_server_obeys_the_contract_and_faults_on_the_way_to_it_harm_nothing() {
    let Some(moto) = Moto::start() else { return };
    check(&bucket(moto.address, &ObjectOptions::default()));

    let relay = Relay::start(moto.address);
    let mut options = ObjectOptions::default();
    options.write_memory(1 << 20).timeout(Duration::from_secs(5)).attempts(8);
    let bucket = bucket(relay.address, &options);
    let world = World::new((6 << 20) + 9, 1 << 20);
    let open = |is_read_only| {
        let layout = Arc::clone(&world.layout);
        bucket.open_layout(layout, world.identity, Path::new("a b/ü"), is_read_only).unwrap()
    };
    let content = open(false);
    for (number, part) in world.data.chunks(100_000).enumerate() {
        let slices = [std::io::IoSlice::new(part)];
        content.write(number as u64 * 100_000, &slices).unwrap();
    }
    let pieces: Vec<_> = world.layout.geometry().pieces().collect();
    let kept = content.keep(&pieces);
    assert!(kept.iter().all(Result::is_ok), "{kept:?}");
    // Another machine.
    let other = open(true);
    assert!(other.kept().unwrap().unwrap().is_full());
    let mut found = vec![0; world.data.len()];
    other.read(0, &mut found).unwrap();
    assert!(found == world.data);
    for kind in [&relay.refused, &relay.cut, &relay.late] {
        assert!(kind.load(Ordering::Relaxed) > 0, "each kind of fault has happened");
    }
    content.remove().unwrap();
    assert!(open(true).kept().unwrap().unwrap().is_empty());
}

// S-37.
#[tokio::test]
async fn what_a_client_has_downloaded_to_a_server_is_seeded_from_it_by_another() {
    let Some(moto) = Moto::start() else { return };
    let (metainfo, data) = torrent();
    let options_for = |is_read_only: bool| {
        // As on a machine of its own.
        let bucket = bucket(moto.address, &ObjectOptions::default());
        let mut options = TorrentOptions::new("films");
        options.read_only(is_read_only).content(move |request| {
            Ok(Arc::new(bucket.open(request.info, request.folder, request.is_read_only)?))
        });
        options
    };
    let [source, writer, seed, leech] = std::array::from_fn(|_| client());
    let _source = seed_from_memory(&source, &metainfo, &data).await;
    let mut options = options_for(false);
    options.peer(address(&source));
    let written = writer.add(&metainfo, options).unwrap();
    in_time(written.finished()).await.unwrap();
    in_time(written.stop()).await;
    let seeding = seed.add(&metainfo, options_for(true)).unwrap();
    in_time(seeding.finished()).await.unwrap();
    let to = Arc::new(MemoryContent::new());
    let mut options = in_memory(&to);
    options.peer(address(&seed));
    let got = leech.add(&metainfo, options).unwrap();
    in_time(got.finished()).await.unwrap();
    let mut found = vec![0; data.len()];
    to.read(0, &mut found).unwrap();
    assert!(found == data);
}

#[test]
fn a_bucket_that_is_not_there_is_named_in_the_error() {
    let Some(moto) = Moto::start() else { return };
    let answer = moto.ask("DELETE /bucket HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert!(answer.contains(" 204 "), "{answer}");
    let world = World::new(5, 16 << 10);
    let mut options = ObjectOptions::default();
    let bucket = bucket(moto.address, options.attempts(1));
    let layout = Arc::clone(&world.layout);
    let error = bucket.open_layout(layout, world.identity, Path::new(""), false).unwrap_err();
    // The answer to a listing is no more to `object_store` than one that failed.
    assert_eq!(error.fault(), Fault::Device, "{error}");
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");
}

/// A relay to a server of HTTP, which spoils some of the answers.
struct Relay {
    address: SocketAddr,
    refused: Arc<AtomicU64>,
    cut: Arc<AtomicU64>,
    late: Arc<AtomicU64>,
}

impl Relay {
    fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let [refused, cut, late] = [(); 3].map(|()| Arc::<AtomicU64>::default());
        let counts = [&refused, &cut, &late].map(Arc::clone);
        // It ends with the process.
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let (Ok(client), counts) = (client, counts.each_ref().map(Arc::clone)) else {
                    continue;
                };
                // One that is gone is of no interest.
                thread::spawn(move || drop(relay(client, server, number, &counts)));
            }
        });
        Self { address, refused, cut, late }
    }
}

/// Carries one request to the server and its answer back. Each connection has one.
fn relay(
    mut client: TcpStream,
    server: SocketAddr,
    number: usize,
    [refused, cut, late]: &[Arc<AtomicU64>; 3],
) -> std::io::Result<()> {
    let request = read_request(&mut client)?;
    if number % 7 == 3 {
        refused.fetch_add(1, Ordering::Relaxed);
        let answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(answer);
    }
    let mut upstream = TcpStream::connect(server)?;
    upstream.write_all(&request)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    if number % 7 == 5 {
        late.fetch_add(1, Ordering::Relaxed);
        thread::sleep(common::SHORT);
    }
    // In the midst of the bytes of a piece.
    if answer.len() > 10_000 && number % 3 == 1 {
        cut.fetch_add(1, Ordering::Relaxed);
        answer.truncate(9_000);
    }
    client.write_all(&answer)
}

/// Reads a request with its body, and has the server close the connection after it.
fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 64 << 10]);
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if bytes.len() >= end + 4 + length.unwrap_or(0) {
            let head = format!("{head}\r\nConnection: close\r\n\r\n");
            return Ok([head.as_bytes(), &bytes[end + 4..]].concat());
        }
    }
}

const SHORT_WAIT: Duration = Duration::from_millis(50);
