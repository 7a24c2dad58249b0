// Sockets for kafkajs, but
//
// 1. without Nagle's algorithm: the second of two requests sent together would wait for the acknowledgement
//    of the first, up to 40 ms;
// 2. safe to `unref` when dead: kafkajs does so on every try to reach a broker that is away, and would leave
//    a listener behind each time.
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

const KEEP_ALIVE_DELAY_MS = 60_000

interface SocketOptions {
  readonly host: string
  readonly port: number
  /** Undefined: without TLS. */
  readonly ssl: ConnectionOptions | undefined
  readonly onConnect: () => void
}

export function openSocket({ host, port, ssl, onConnect }: SocketOptions): Socket {
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
