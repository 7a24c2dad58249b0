// Stands between clients and one broker, request by request: reads along, holds a request back, loses an answer.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

interface Intervention {
  readonly apiKey: number
  readonly meanwhile: () => Promise<void>
  readonly done: () => void
}

export class KafkaProxy {
  readonly #brokerPort: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #seen: string[] = []
  #holding: Intervention | null = null
  #losing: Intervention | null = null

  constructor(brokerPort: number) {
    this.#brokerPort = brokerPort
    this.#server = createServer((client) => this.#serve(client))
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** Which requests of these APIs go by during the work, as `key vVersion`, each once. */
  async reading(apiKeys: readonly number[], work: () => Promise<unknown>): Promise<string[]> {
    this.#seen.length = 0
    await work()
    return [...new Set(this.#seen)].filter((seen) => apiKeys.includes(Number(seen.split(' ')[0]))).sort()
  }

  /** Holds the next such request back until `meanwhile` is done. Resolves when it goes on. */
  hold(apiKey: number, meanwhile: () => Promise<void>): Promise<void> {
    return new Promise((done) => {
      this.#holding = { apiKey, meanwhile, done }
    })
  }

  /** The next such request takes effect; instead of its answer, after `meanwhile`, the connection closes. Resolves then. */
  loseAnswer(apiKey: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    return new Promise((done) => {
      this.#losing = { apiKey, meanwhile, done }
    })
  }

  #serve(client: Socket): void {
    const broker = connect(this.#brokerPort, '127.0.0.1')
    const both = [client, broker]
    const close = (): void => {
      for (const socket of both) {
        socket.destroy()
        this.#sockets.delete(socket)
      }
    }
    for (const socket of both) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
    }
    const lost = new Map<number, Intervention>()
    const up = this.#up(client, broker, lost)
    const down = this.#down(broker, client, lost)
    void Promise.race([up, down]).then(close, close)
    void Promise.allSettled([up, down])
  }

  async #up(client: Socket, broker: Socket, lost: Map<number, Intervention>): Promise<void> {
    for await (const frame of frames(client)) {
      const apiKey = frame.readInt16BE(4)
      this.#seen.push(`${apiKey} v${frame.readInt16BE(6)}`)
      if (this.#holding?.apiKey === apiKey) {
        const { meanwhile, done } = this.#holding
        this.#holding = null
        await meanwhile()
        done()
      }
      if (this.#losing?.apiKey === apiKey) {
        lost.set(frame.readInt32BE(8), this.#losing)
        this.#losing = null
      }
      broker.write(frame)
    }
  }

  async #down(broker: Socket, client: Socket, lost: Map<number, Intervention>): Promise<void> {
    for await (const frame of frames(broker)) {
      const losing = lost.get(frame.readInt32BE(4))
      if (losing !== undefined) {
        await losing.meanwhile()
        losing.done()
        return
      }
      client.write(frame)
    }
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** Whole requests or answers, with the four bytes of their length. */
async function* frames(socket: Socket): AsyncGenerator<Buffer> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer])
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
      const end = 4 + bytes.readInt32BE(0)
      yield bytes.subarray(0, end)
      bytes = bytes.subarray(end)
    }
  }
}
