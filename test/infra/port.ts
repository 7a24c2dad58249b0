import { createServer, connect } from 'node:net'

// Below Linux's ephemeral range (32768 up): a client that reconnects to a dead server inside that range can be given
// the server's own port as its source, connects to itself, and the server never gets its port back.
const lowest = 20_000
const highest = 32_000
const attempts = 200
/** Servers that are started together must not be given one port, before either listens. */
const given = new Set<number>()

/** Ports nobody listened on a moment ago; `count` of them, none given before by this process. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>()
  for (let attempt = 0; attempt < attempts && found.size < count; attempt++) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) found.add(port)
  }
  if (found.size < count)
    throw new Error(`no ${count} free ports between ${lowest} and ${highest} on 127.0.0.1`)
  return [...found]
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port as number
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((settle) => {
    const server = createServer()
    server.once('error', () => settle(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => settle(true)))
  })

/** Whether something accepts connections there now. */
export const accepts = (port: number): Promise<boolean> =>
  new Promise((settle) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const answer = (accepted: boolean): void => {
      socket.destroy()
      settle(accepted)
    }
    socket.once('connect', () => answer(true)).once('error', () => answer(false))
  })
