// Shows the positions of a stage's lanes in its group, for others: lag, autoscaling, operators, Kafka's own tools.
//
// 1. Nothing that must be exact reads them where the lane has rows (positions.ts, 5). They follow the rows, run ahead of
//    them only past what holds no record (aborted transactions, the end of one), and are at most EVERY_MS late while the
//    group's coordinator answers.
// 2. One request for all lanes. One that fails is repeated with the next.
// 3. The group takes them of a member in its present generation, so that a former owner overwrites nothing.
import { messageOf } from '../../../errors.ts'
import type { GroupIdentity, KafkaLogger } from '../connection/client.ts'
import { errorType } from '../errors.ts'
import { byTopic, type CommittedOffset } from '../group/positions.ts'
import type { Link } from '../connection/link.ts'
import { withoutFinished } from './positions.ts'

const EVERY_MS = 1_000

export interface ReportParts {
  readonly link: Link
  readonly groupId: string
  readonly identity: () => GroupIdentity
  readonly logger: KafkaLogger | undefined
}

export class PositionReports {
  readonly #parts: ReportParts
  readonly #waiting = new Map<string, CommittedOffset>()
  #timer: NodeJS.Timeout | null = null
  #sending: Promise<void> = Promise.resolve()
  #closed = false

  constructor(parts: ReportParts) {
    this.#parts = parts
  }

  moved(reports: readonly CommittedOffset[]): void {
    for (const report of reports) this.#waiting.set(`${report.topic} ${report.partition}`, report)
    this.#sendLater()
  }

  /** Another member has the lane. */
  forget(lane: number): void {
    for (const [key, { partition }] of this.#waiting) if (partition === lane) this.#waiting.delete(key)
  }

  /** Sends what waits, once. Never rejects. */
  flush(): Promise<void> {
    this.#stopTimer()
    this.#sending = this.#sending.then(() => this.#send())
    return this.#sending
  }

  close(): void {
    this.#closed = true
    this.#stopTimer()
  }

  #sendLater(): void {
    if (this.#closed || this.#waiting.size === 0) return
    this.#timer ??= setTimeout(() => void this.flush(), EVERY_MS).unref()
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  async #send(): Promise<void> {
    const { groupId, identity, logger } = this.#parts
    const sent = [...this.#waiting]
    const member = identity()
    // Between two memberships: a request of nobody would count as an operator's.
    if (sent.length > 0 && member.memberId !== '')
      try {
        await this.#commit(sent.map(([, report]) => report)).catch((error: unknown) => {
          if (errorType(error) !== 'OFFSET_METADATA_TOO_LARGE') throw error
          return this.#commit(sent.map(([, of]) => ({ ...of, metadata: withoutFinished(of.metadata) })))
        })
        for (const [key, report] of sent) if (this.#waiting.get(key) === report) this.#waiting.delete(key)
      } catch (error) {
        logger?.debug(
          { groupId, reason: messageOf(error) },
          'failed to show positions in the group; retrying',
        )
      }
    this.#sendLater()
  }

  #commit(reports: readonly CommittedOffset[]): Promise<unknown> {
    const { groupId, identity, link } = this.#parts
    return link.attempt(
      async () => {
        const broker = await link.coordinator('group', groupId)
        return broker.offsetCommit({ groupId, ...identity(), topics: byTopic(reports) })
      },
      { withinMs: EVERY_MS, abandoned: () => this.#closed },
    )
  }
}
