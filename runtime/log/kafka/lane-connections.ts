// The connections that the lanes of a process share.
//
// 1. A broker works on one request of a connection at a time: with one connection a commit would wait for those of all
//    other lanes. With one for each lane a process that has 12 lanes of 7 stages holds 84 to each broker, and each request
//    is a write of its own. Those of one turn of the event loop to the same connection are one (socket.ts).
// 2. A lane keeps the connections that it got until it is closed.
import type { Client } from './client.ts'
import { Connections } from './link.ts'

/** To each broker. */
const COUNT = 4

export class LaneConnections {
  readonly #all: readonly Connections[]
  #next = 0

  constructor(client: Client) {
    this.#all = Array.from({ length: COUNT }, () => new Connections(client))
  }

  /** In turns. */
  next(): Connections {
    return this.#all[this.#next++ % COUNT] as Connections
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((each) => each.close()))
  }
}
