// Sockets for kafkajs, but
//
// 1. without Nagle's algorithm: the second of two requests sent together would wait for the acknowledgement
//    of the first, up to 40 ms;
// 2. safe to `unref` when dead: kafkajs does so on every try to reach a broker that is away, and would leave
//    a listener behind each time;
// 3. closed when their broker is silent, or does not accept in time: kafkajs leaves such a socket to the system.
import { connect as connectPlain, isIP, Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { BrokerSockets } from './silent-broker.ts'

const KEEP_ALIVE_DELAY_MS = 60_000
const CLOSED = 'the connections to Kafka are closed'

interface Address {
  readonly host: string
  readonly port: number
  readonly onConnect: () => void
}

/** The sockets of one client, to be destroyed together. */
export class Sockets {
  readonly #brokers = new Map<string, BrokerSockets>()
  readonly #limitMs: number
  readonly #tls: (() => ConnectionOptions) | undefined
  #closed = false

  /** `limitMs`: how long a connection may take. `tls`: its options as of now. */
  constructor(limitMs: number, tls: (() => ConnectionOptions) | undefined) {
    this.#limitMs = limitMs
    this.#tls = tls
  }

  open({ host, port, onConnect }: Address): Socket {
    if (this.#closed) return safeToUnref(new Socket().destroy(new Error(CLOSED)))
    const ssl = this.#tls?.()
    const connect = (onConnected: () => void): Socket =>
      openSocket({ host, port, ssl, onConnect: onConnected })
    return safeToUnref(this.#brokerAt(`${host}:${port}`).open({ connect, onConnect }))
  }

  /** Those first that were heard from last: a connection to one that has just stopped is a long wait. */
  byLastHeard(brokers: readonly string[]): string[] {
    const heardMs = (name: string): number => this.#brokers.get(name)?.heardMs ?? 0
    return brokers.toSorted((a, b) => heardMs(b) - heardMs(a))
  }

  #brokerAt(name: string): BrokerSockets {
    const known = this.#brokers.get(name)
    if (known !== undefined) return known
    const broker = new BrokerSockets(name, this.#limitMs)
    this.#brokers.set(name, broker)
    return broker
  }

  /** Destroys those that are open, and every later one. Requests that are under way reject. */
  close(): void {
    this.#closed = true
    for (const broker of this.#brokers.values()) broker.close(new Error(CLOSED))
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
  return socket
}

function safeToUnref(socket: Socket): Socket {
  const unref = socket.unref.bind(socket)
  socket.unref = () => (socket.destroyed ? socket : unref())
  return socket
}
