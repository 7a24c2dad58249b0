import type { Admin, Client } from '../connection/client.ts'
import { answeredWithin } from '../connection/link.ts'

/**
 * Asks through connections of its own, so that the answer is current. Rejects after this time at the latest: kafkajs
 * repeats each of its requests, and waits for all of them before it disconnects.
 */
export function asAdmin<T>(client: Client, limitMs: number, ask: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = client.admin()
  const answer = admin
    .connect()
    .then(() => ask(admin))
    .finally(() => admin.disconnect().catch(() => {}))
  return answeredWithin(limitMs, answer)
}
