// A process that answers every record of tasks.submitted with one on tasks.completed, as a host would: concurrently,
// committed in groups, what is finished beyond the position in its metadata. Started, and killed, by log-kill.test.ts and
// log-restart.test.ts.
import { createKafkaLog } from '../../runtime/log/kafka/log.ts'
import type { LogRecord, Membership, OpenLane } from '../../runtime/log/port.ts'
import { brokers, PARTITIONS } from './brokers.ts'

const TOPIC = 'tasks.submitted'

class Worker {
  readonly #lane: OpenLane
  readonly #lost: (error: unknown) => void
  readonly #done: Set<number>
  readonly #taken = new Set<number>()
  #position: number
  #finished: LogRecord[] = []
  #committing = false
  #closed = false

  constructor(lane: OpenLane, lost: (error: unknown) => void) {
    this.#lane = lane
    this.#lost = lost
    const committed = lane.positions.find(({ topic }) => topic === TOPIC)
    this.#position = committed?.offset ?? 0
    this.#done = new Set(committed?.metadata ? (JSON.parse(committed.metadata) as number[]) : [])
    lane.start((records) => records.forEach((record) => this.#take(record)))
  }

  #take(record: LogRecord): void {
    const { offset } = record
    if (offset < this.#position || this.#done.has(offset) || this.#taken.has(offset)) return
    this.#taken.add(offset)
    setTimeout(() => this.#finish(record), 5 + ((offset * 37) % 120))
  }

  #finish(record: LogRecord): void {
    if (this.#closed) return
    this.#finished.push(record)
    void this.#pump()
  }

  async #pump(): Promise<void> {
    if (this.#committing) return
    this.#committing = true
    try {
      while (this.#finished.length > 0 && !this.#closed) await this.#commit(this.#finished.splice(0))
    } catch (error) {
      this.#closed = true
      this.#lost(error)
    }
    this.#committing = false
  }

  async #commit(group: readonly LogRecord[]): Promise<void> {
    for (const { offset } of group) this.#done.add(offset)
    // Offsets of control records are nobody's: a position may stand before them.
    const open = [...this.#taken].filter((offset) => !this.#done.has(offset))
    const highest = Math.max(...this.#done)
    const next = open.length === 0 ? highest + 1 : Math.min(...open)
    const beyond = [...this.#done].filter((offset) => offset > next)
    await this.#lane.commit({
      records: group.map(({ key }) => ({
        topic: 'tasks.completed',
        partition: this.#lane.lane,
        key,
        value: Buffer.from(`${process.pid}`),
        headers: {},
      })),
      rows: group.map(({ key }) => ({ key: `seen ${key}`, value: Buffer.from('1') })),
      positions: [{ topic: TOPIC, offset: next, metadata: JSON.stringify(beyond) }],
    })
    this.#position = next
  }

  close(): void {
    this.#closed = true
    void this.#lane.close()
  }
}

const [, , prefix = '', instance = '', sessionTimeoutMs] = process.argv
const log = createKafkaLog({
  brokers: brokers(),
  prefix,
  partitions: PARTITIONS,
  clientId: instance,
  ...(sessionTimeoutMs === undefined
    ? {}
    : { sessionTimeoutMs: Number(sessionTimeoutMs), heartbeatMs: 1_000 }),
})
const workers = new Map<number, Worker>()
const owned = new Set<number>()

async function open(membership: Membership, lane: number): Promise<void> {
  while (owned.has(lane)) {
    try {
      const opened = await membership.open(lane)
      const worker = new Worker(opened, (error) => {
        process.stdout.write(`lane ${lane} lost: ${String(error)}\n`)
        if (workers.get(lane) === worker) void open(membership, lane)
      })
      workers.set(lane, worker)
      process.stdout.write(`lane ${lane} open\n`)
      return
    } catch (error) {
      process.stdout.write(`lane ${lane} not open: ${String(error)}\n`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

const membership: Membership = await log.join(
  { group: 'worker', topics: [TOPIC], instance },
  {
    onAssigned: (lane) => {
      owned.add(lane)
      void open(membership, lane)
    },
    onRevoked: (lane) => {
      owned.delete(lane)
      workers.get(lane)?.close()
      workers.delete(lane)
      process.stdout.write(`lane ${lane} revoked\n`)
    },
    onError: (error) => process.stdout.write(`${String(error)}\n`),
  },
)

process.once('SIGTERM', () => {
  owned.clear()
  void membership.leave().then(() => log.close())
})
