// One WebTorrent client with one torrent, on loopback.
//
//     node wt_peer.cjs LIBRARY seed|leech TORRENT|MAGNET DIR PORT
//
// `seed` prints READY when the content has been checked, and serves what is right until it is ended.
// `leech` exits 0 when the content is complete and written. Whatever could leave loopback (DHT, LSD,
// UPnP, WebRTC) is off, and so is uTP. When its standard input closes it ends, so that it never
// outlives whoever started it.
const [library, role, source, dir, port] = process.argv.slice(2)
const WebTorrent = require(library)

const fail = error => {
  console.error(error)
  process.exit(1)
}

const client = new WebTorrent({
  torrentPort: Number(port),
  dht: false,
  lsd: false,
  natPmp: false,
  natUpnp: false,
  tracker: { wrtc: false },
  utp: false,
  utPex: false
})
client.on('error', fail)

const torrent = client.add(source, { path: dir })
torrent.on('warning', warning => console.error(String(warning)))
torrent.on('wire', (wire, address) => console.error('connected to', address))
torrent.on('ready', () => {
  console.error('progress', torrent.progress)
  if (role === 'seed') console.log('READY')
})
torrent.on('done', () => {
  if (role === 'seed') return
  // The store has written everything once it is closed.
  client.destroy(error => error ? fail(error) : process.exit(0))
})
process.stdin.resume().on('end', () => process.exit(2))
