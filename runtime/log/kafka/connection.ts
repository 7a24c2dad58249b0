// Connecting of kafkajs's connections: once for all who ask at the same time.
//
// Lanes share connections. After one has broken all of them would open a socket each, and the connection keeps the
// last one only.

/** What is used of kafkajs's class. */
export interface Connection {
  isConnected(): boolean
  connect(): Promise<boolean>
}

export function connectTogether(prototype: Connection): void {
  const { connect } = prototype
  const underWay = new WeakMap<Connection, Promise<boolean>>()
  prototype.connect = function (this: Connection) {
    const known = underWay.get(this)
    if (known !== undefined) return known
    const connecting = connect.call(this).finally(() => underWay.delete(this))
    underWay.set(this, connecting)
    return connecting
  }
}
