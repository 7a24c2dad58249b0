// Sockets for kafkajs, but
//
// 1. without Nagle's algorithm: the second of two requests sent together would wait for the acknowledgement
//    of the first, up to 40 ms;
// 2. safe to `unref` when dead: kafkajs does so on every try to reach a broker that is away, and would leave
//    a listener behind each time.
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

const KEEP_ALIVE_DELAY_MS = 60_000

interface Address {
  readonly host: string
  readonly port: number
  readonly onConnect: () => void
}

/** The sockets of one client, to be destroyed together. `tls`: the options of a connection as of now. */
export class Sockets {
  readonly #open = new Set<Socket>()
  readonly #tls: (() => ConnectionOptions) | undefined
  #closed = false

  constructor(tls: (() => ConnectionOptions) | undefined) {
    this.#tls = tls
  }

  open({ host, port, onConnect }: Address): Socket {
    const socket = openSocket({ host, port, ssl: this.#tls?.(), onConnect })
    this.#open.add(socket.once('close', () => this.#open.delete(socket)))
    if (this.#closed) socket.destroy()
    return socket
  }

  /** Destroys those that are open, and every later one. */
  close(): void {
    this.#closed = true
    for (const socket of this.#open) socket.destroy()
  }
}

interface SocketOptions extends Address {
  /** Undefined: without TLS. */
  readonly ssl: ConnectionOptions | undefined
}

function openSocket({ host, port, ssl, onConnect }: SocketOptions): Socket {
  const servername = isIP(host) === 0 ? { servername: host } : {}
  const socket =
    ssl === undefined
      ? connectPlain({ host, port }, onConnect)
      : connectTls({ host, port, ...servername, ...ssl }, onConnect)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
  const unref = socket.unref.bind(socket)
  socket.unref = () => (socket.destroyed ? socket : unref())
  return socket
}
