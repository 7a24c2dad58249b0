import { after } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { eventually } from './waiting.ts'
import type {
  InputLoss,
  LaneCommit,
  Log,
  LogRecord,
  LogTopic,
  Membership,
  OpenLane,
  OutgoingRecord,
} from '../../runtime/log/port.ts'

/** Longer than a member takes to leave; where its brokers are gone, the test does not wait for it. */
const LEFT_WITHIN_MS = 30_000

/**
 * A member of a group that opens and starts every lane it is given and keeps what arrives, as a host would. It leaves at
 * the end of the test that made it, also of one that failed: else it would hold lanes that later tests wait for, and
 * try to open them again and again.
 */
export class TestMember {
  readonly lanes = new Map<number, OpenLane>()
  /** Every opening, in order: former ones are the zombies of a test. */
  readonly opened: OpenLane[] = []
  readonly records: LogRecord[] = []
  readonly revoked: number[] = []
  readonly errors: Error[] = []
  readonly losses: (InputLoss & { lane: number })[] = []
  /** Lanes whose state is gone. */
  readonly stateless: number[] = []
  problems: readonly string[] = []
  readonly #joined: Promise<Membership>
  readonly #held = new Set<number>()
  #left: Promise<void> | undefined

  /** `isTest`: whether a test makes it; default true. */
  constructor(log: Log, group: string, topics: readonly LogTopic[], isTest = true) {
    if (isTest) after(() => this.#leaveInTime())
    const instance = `test-${Math.random().toString(36).slice(2)}`
    this.#joined = log.join(
      { group, topics, instance },
      {
        onAssigned: (lane) => {
          this.#held.add(lane)
          void this.open(lane)
        },
        onRevoked: (lane) => {
          this.#held.delete(lane)
          this.revoked.push(lane)
          this.lanes.delete(lane)
        },
        onError: (error) => this.errors.push(error),
        onProblems: (problems) => (this.problems = problems),
        onStateLost: (lane) => this.stateless.push(lane),
        onLoss: (lane, loss) => this.losses.push({ lane, ...loss }),
      },
    )
  }

  /** Lanes held when the group had said for the first time which they are. */
  async lanesOnJoining(): Promise<number[]> {
    const { joined } = await this.#joined
    await joined
    return [...this.#held]
  }

  /** Opens the lane and starts it; tries again while the member holds it, as a host does. */
  async open(lane: number, after?: number): Promise<OpenLane | null> {
    const membership = await this.#joined
    while (this.#held.has(lane)) {
      try {
        const open = await membership.open(lane, after)
        this.opened.push(open)
        if (!this.#held.has(lane)) return null
        this.lanes.set(lane, open)
        open.start(
          (records) => this.records.push(...records),
          (reason) => {
            this.errors.push(reason)
            void this.open(lane)
          },
        )
        return open
      } catch (error) {
        this.errors.push(error as Error)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    return null
  }

  async lane(lane: number): Promise<OpenLane> {
    return eventually(`lane ${lane} is open`, () => this.lanes.get(lane))
  }

  async holds(count: number): Promise<void> {
    await eventually(
      `the member has ${count} lanes open (it has ${this.lanes.size})`,
      () => this.lanes.size === count,
    )
  }

  /** Values of this test's records of one topic and partition, in order of arrival, redeliveries dropped. */
  values(topic: LogTopic, partition: number, marker: string): string[] {
    const seen = new Set<number>()
    return this.records
      .filter((record) => record.topic === topic && record.partition === partition && record.key === marker)
      .filter(({ offset }) => !seen.has(offset) && seen.add(offset))
      .map(textOf)
  }

  leave(): Promise<void> {
    return (this.#left ??= this.#leave())
  }

  async #leave(): Promise<void> {
    this.#held.clear()
    await (await this.#joined).leave()
    await Promise.all([...this.lanes.values()].map((lane) => lane.close()))
  }

  /** What is wrong by then is the test's to say. */
  async #leaveInTime(): Promise<void> {
    const late = new AbortController()
    const inTime = pause(LEFT_WITHIN_MS, undefined, { signal: late.signal }).catch(() => undefined)
    await Promise.race([this.leave().catch(() => undefined), inTime])
    late.abort()
  }
}

export function textOf(record: { value: Uint8Array | null }): string {
  return record.value === null ? '' : Buffer.from(record.value).toString('utf8')
}

export function outgoing(
  topic: LogTopic,
  partition: number,
  key: string | null,
  text: string,
): OutgoingRecord {
  return { topic, partition, key, value: Buffer.from(text), headers: {} }
}

export function numbered(
  topic: LogTopic,
  partition: number,
  key: string,
  count: number,
  from = 0,
): OutgoingRecord[] {
  return Array.from({ length: count }, (_, i) => outgoing(topic, partition, key, `${from + i}`))
}

export function commitOf(parts: Partial<LaneCommit>): LaneCommit {
  return { records: [], rows: [], positions: [], ...parts }
}

let marks = 0
/** A key that no other test uses, so that tests share topics. */
export function mark(): string {
  return `mark-${process.pid}-${Date.now()}-${marks++}`
}
