// Connecting of kafkajs's connections: once for all who ask at the same time.
//
// 1. Lanes share connections. After one has broken all of them would open a socket each, and the connection keeps the
//    last one only.
// 2. A socket that ends before it is connected leaves the promise unsettled: those who ask later than its time-out begin
//    again.

/** What is used of kafkajs's class. */
export interface Connection {
  readonly connectionTimeout: number
  isConnected(): boolean
  connect(): Promise<boolean>
}

interface UnderWay {
  readonly connecting: Promise<boolean>
  readonly sinceMs: number
}

export function connectTogether(prototype: Connection): void {
  const { connect } = prototype
  const all = new WeakMap<Connection, UnderWay>()
  prototype.connect = function (this: Connection) {
    const known = all.get(this)
    const sinceMs = performance.now()
    if (known !== undefined && sinceMs - known.sinceMs < this.connectionTimeout) return known.connecting
    const done = (): void => {
      if (all.get(this)?.connecting === connecting) all.delete(this)
    }
    const connecting = connect.call(this).finally(done)
    all.set(this, { connecting, sinceMs })
    return connecting
  }
}
