// A broker that takes connections and requests and answers none, as one that is stopped, or whose machine is gone.
//
// 1. A request has gone unanswered for its time. If nothing has come from its broker since it was sent, on any connection
//    of this client, the broker is silent: all connections to it are closed, so that everything that waits for it asks
//    the others at once. Otherwise the broker works, and only that connection is closed.
// 2. New connections to a silent broker are refused at once. The cluster names it as a leader until it has given it up
//    itself, and so does the list of brokers to begin with: each link would wait for it again.
// 3. A refusal has it probed, by one connection at a time, which asks what every broker answers before anything else, and
//    has the time of a connection for it. The broker is silent no longer once it answers, or refuses the probe.
// 4. The time in which this process itself stood still does not count.
import { Socket } from 'node:net'

const PAUSE_MS = 1_000
/** Part of a time by which its end may come late. */
const LATE = 0.1

/** ApiVersions of version 0: its length, key, version, a number of ours, no client id. */
const GREETING = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 0, 0xff, 0xff])

const brokers = new WeakMap<Socket, BrokerSockets>()

/** Closes the connection of a request that has gone unanswered since then (epoch milliseconds). */
export function giveUp(socket: Socket, sinceMs: number, reason: Error): void {
  const broker = brokers.get(socket)
  if (broker === undefined) socket.destroy(reason)
  else broker.giveUp(socket, sinceMs, reason)
}

export interface Opening {
  /** Begins to connect. Calls back once requests can be sent. */
  readonly connect: (onConnect: () => void) => Socket
  readonly onConnect: () => void
}

/** The connections of one client to one broker. */
export class BrokerSockets {
  readonly #name: string
  readonly #limitMs: number
  readonly #sockets = new Set<Socket>()
  /** When something came from it; by the clock that requests go by. */
  #heardMs = 0
  #isSilent = false
  #probe: Socket | null = null
  /** When the next probe may begin, by `performance.now()`. */
  #probeFromMs = 0
  #isClosed = false

  /** `limitMs`: how long a connection, or a probe, may take. */
  constructor(name: string, limitMs: number) {
    this.#name = name
    this.#limitMs = limitMs
  }

  get heardMs(): number {
    return this.#heardMs
  }

  open({ connect, onConnect }: Opening): Socket {
    if (this.#isSilent) {
      this.#beginProbe(connect)
      return new Socket().destroy(new Error(`${this.#name} does not answer`))
    }
    const openedMs = Date.now()
    const late = new Error(`${this.#name}: no connection within ${this.#limitMs} ms`)
    const stop = afterListening(this.#limitMs, () => this.giveUp(socket, openedMs, late))
    const socket = connect(() => {
      stop()
      onConnect()
    })
    brokers.set(socket, this)
    this.#sockets.add(socket)
    socket.on('data', () => (this.#heardMs = Date.now()))
    socket.once('close', () => {
      stop()
      this.#sockets.delete(socket)
    })
    return socket
  }

  #beginProbe(connect: Opening['connect']): void {
    if (this.#isClosed || this.#probe !== null || performance.now() < this.#probeFromMs) return
    const probe = connect(() => probe.write(GREETING))
    this.#probe = probe
    let isLate = false
    const stop = afterListening(this.#limitMs, () => {
      isLate = true
      probe.destroy()
    })
    probe.on('error', () => {})
    probe.once('data', () => probe.destroy())
    probe.once('close', () => {
      stop()
      this.#probe = null
      this.#isSilent = isLate
      this.#probeFromMs = performance.now() + PAUSE_MS
    })
  }

  giveUp(socket: Socket, sinceMs: number, reason: Error): void {
    if (this.#heardMs > sinceMs) {
      socket.destroy(reason)
      return
    }
    this.#isSilent = true
    this.#probeFromMs = 0
    for (const each of this.#sockets) each.destroy(reason)
  }

  /** Closes those that are open. None is opened after it. */
  close(reason: Error): void {
    this.#isClosed = true
    this.#probe?.destroy()
    for (const socket of this.#sockets) socket.destroy(reason)
  }
}

/** Calls back after this time, and that in which the process stood still. Returns what prevents it. */
function afterListening(limitMs: number, done: () => void): () => void {
  const dueMs = performance.now() + limitMs
  let timer = setTimeout(() => {
    const lateMs = performance.now() - dueMs
    if (lateMs < limitMs * LATE) done()
    else timer = setTimeout(done, Math.min(lateMs, limitMs))
  }, limitMs)
  return () => clearTimeout(timer)
}
