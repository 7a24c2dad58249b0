// Timers of the requests of a connection, fewer than kafkajs sets:
//
// 1. Its queue sets one after each check, even if nothing waits in it: one that is due in 1970, so after a
//    millisecond, of which Node 24 warns. Then it checks, and sets it again. Here one is set only if something waits.
// 2. Each connection looks ten times a second for requests that have gone unanswered for too long: a process with
//    12 lanes wakes 200 times a second. Here all connections are looked at together, once a second at most.
//
// And a request that goes unanswered for too long ends its connection, as in other clients, and all others of its broker if
// that is silent (silent-broker.ts):
//
// 3. kafkajs sends the next one on the same connection. If the other side is gone without a word (a machine that died, a
//    firewall that forgot), that is into nothing, until the system gives up on it after a quarter of an hour. And as it is
//    no failed connection for kafkajs, it asks a bootstrap broker that is silent again and again, and no other.
// 4. kafkajs looks no more at the requests of a connection that it closes, but waits for them: they would never end.
// 5. A process that stood still (it was stopped, or waited for a processor) has answers that it has not read: it reads before
//    it gives requests up.
//
// 6. A connection that was cut in the middle of an answer begins again, with nothing of it.
import type { Socket } from 'node:net'
import { giveUp } from './silent-broker.ts'

/** What is used of kafkajs's class. */
export interface RequestQueue {
  readonly pending: readonly unknown[]
  readonly inflight: ReadonlyMap<number, SentRequest>
  /** Epoch milliseconds; below 0 if the broker has not asked for a pause. */
  readonly throttledUntil: number
  readonly requestTimeout: number
  throttleCheckTimeoutId: NodeJS.Timeout | null
  /** kafkajs's own, of the client. */
  readonly logger: { error(message: string, fields: object): void }
  /** host:port. */
  readonly broker: string
  /** The broker wants no request for so long (milliseconds), because of a quota. */
  maybeThrottle(throttleMs: number | null | undefined): void
  /** Ends its connection, whose requests all reject: one has gone unanswered since then. False: there is none any more. */
  breakOff?: (sinceMs: number, reason: Error) => boolean
  isConnected(): boolean
  checkPendingRequests(): void
  scheduleCheckPendingRequests(): void
  scheduleRequestTimeoutCheck(): void
  destroy(): void
}

/** The part of kafkajs's class that is used. */
export interface Connection {
  readonly requestQueue: RequestQueue
  readonly socket?: Socket
  /** Bytes of an answer that is not whole yet. */
  chunks: readonly Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  isConnected(): boolean
  connect(): Promise<unknown>
  processData(data: Buffer): void
}

interface SentRequest {
  readonly sentAt: number
  readonly requestTimeout: number
  timeoutRequest(): void
}

const CHECK_MS = 10

/** The line of kafkajs's log for pauses that a quota makes. */
export const THROTTLED = 'throttled'
/** Shorter pauses are not worth a line, and one line in this time says it all. */
const NOTABLE_PAUSE_MS = 1_000
const NOTE_EVERY_MS = 60_000

/** Logs that a quota delays requests: kafkajs keeps it to itself, and all that shows is that everything is slow. */
export function noteThrottling(prototype: RequestQueue): void {
  const maybeThrottle = prototype.maybeThrottle
  let notedMs = -Infinity
  prototype.maybeThrottle = function (this: RequestQueue, throttleMs) {
    maybeThrottle.call(this, throttleMs)
    const nowMs = performance.now()
    if ((throttleMs ?? 0) < NOTABLE_PAUSE_MS || nowMs - notedMs < NOTE_EVERY_MS) return
    notedMs = nowMs
    this.logger.error(THROTTLED, { broker: this.broker, throttleMs })
  }
}

export function endWhenUnanswered(prototype: Connection): void {
  const connect = prototype.connect
  prototype.connect = function (this: Connection) {
    this.requestQueue.breakOff = (sinceMs, reason) => {
      if (this.socket === undefined || this.socket.destroyed) return false
      giveUp(this.socket, sinceMs, reason)
      return true
    }
    return connect.call(this)
  }
}

/** Bytes of the size that comes before each answer. */
const SIZE_BYTES = 4

/**
 * kafkajs keeps the part of an answer that has come when its connection is cut, and reads the answers of the next connection
 * behind it: none of them is found, or their sizes are out of range, which was thrown out of the socket's callback.
 */
export function beginFromScratch(prototype: Connection): void {
  const { connect, processData } = prototype
  prototype.connect = function (this: Connection) {
    if (!this.isConnected()) Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: SIZE_BYTES })
    return connect.call(this)
  }
  prototype.processData = function (this: Connection, data) {
    try {
      processData.call(this, data)
    } catch (error) {
      this.socket?.destroy(error as Error)
    }
  }
}

export function checkOnlyIfWaiting(prototype: RequestQueue): void {
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return
    const check = (): void => {
      this.throttleCheckTimeoutId = null
      this.checkPendingRequests()
    }
    const throttledMs = this.throttledUntil - Date.now()
    this.throttleCheckTimeoutId = setTimeout(check, throttledMs > 0 ? throttledMs : CHECK_MS)
  }
}

/** A request is given up at most this part of its time late. */
const LATE = 0.1
const LONGEST_PERIOD_MS = 1_000

/** By period, which is the same for all connections of a process. */
const rounds = new Map<number, Round>()

export function checkTogether(prototype: RequestQueue): void {
  const destroy = prototype.destroy
  prototype.scheduleRequestTimeoutCheck = function (this: RequestQueue) {
    this.destroy()
    const periodMs = Math.min(LONGEST_PERIOD_MS, this.requestTimeout * LATE)
    let round = rounds.get(periodMs)
    if (!round) rounds.set(periodMs, (round = new Round(periodMs)))
    round.add(this)
  }
  prototype.destroy = function (this: RequestQueue) {
    for (const round of rounds.values()) round.remove(this)
    destroy.call(this)
  }
}

/** The connections that are looked at together. */
class Round {
  readonly #queues = new Set<RequestQueue>()
  readonly #periodMs: number
  #timer: NodeJS.Timeout | null = null

  constructor(periodMs: number) {
    this.#periodMs = periodMs
  }

  add(queue: RequestQueue): void {
    this.#queues.add(queue)
    // Timers come before what has arrived, and immediates after it.
    const look = () => void setImmediate(() => this.#look()).unref()
    this.#timer ??= setInterval(look, this.#periodMs).unref()
  }

  remove(queue: RequestQueue): void {
    if (!this.#queues.delete(queue) || this.#queues.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  #look(): void {
    const now = Date.now()
    for (const queue of this.#queues) {
      const late = [...queue.inflight.values()].filter((each) => now - each.sentAt > each.requestTimeout)
      const [first] = late
      const reason = new Error(`no answer within ${first?.requestTimeout} ms`)
      if (first && !queue.breakOff?.(first.sentAt, reason))
        for (const request of late) request.timeoutRequest()
      const isIdle = queue.inflight.size === 0 && queue.pending.length === 0
      if (isIdle && !queue.isConnected()) queue.destroy()
    }
  }
}
