// Whether an id that a client chose was submitted before: one read of the key-value store and one of the ledger,
// both at once. All gateways of a fleet share the two.
//
// 1. An id is claimed for its text before it is published, so that of two texts at the same time one is refused.
//    A claim is short: a gateway that dies before it has published leaves nothing behind.
// 2. Only an id that the log has, or that has ended, is answered without publishing. The log is asked, because it may
//    have lost what store and ledger still know: its disks were restored, or the cluster is a new one. Publishing
//    twice does no harm, because the router runs an id once; not publishing would lose the task.
// 3. The store keeps an id until metering has read it, with hours to spare; from then on the ledger has it.
// 4. If the store or the ledger does not answer, the other decides; without both every id counts as new. If the log
//    does not answer, the id is published.
import { assertSameText, reusedId, type DirectTasks } from '../../operator/direct/tasks/tasks.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { askedOf } from '../../runtime/ledger/asked.ts'
import type { KeyValue } from '../../runtime/store/port.ts'
import type { Log } from '../../runtime/telemetry/instruments.ts'
import { isTaskId } from '../../schemas/identity.ts'

const CLAIM_MS = 30_000
const KEPT_MS = 6 * 3_600_000
/** A slower store does not count. */
const TIME_LIMIT_MS = 1_000
const WARN_EVERY_MS = 60_000

export interface SubmittedIdsParts {
  readonly store: Pick<KeyValue, 'compareAndSet' | 'set' | 'delete'>
  readonly tasks: Pick<DirectTasks, 'recordedText'>
  /** Whether the log has a submission of this id. */
  readonly isOnLog: (taskId: string) => Promise<boolean>
  readonly log: Pick<Log, 'warn'>
}

export interface Submitted {
  readonly taskId: string
  /** True: this task was submitted before. */
  readonly isRepeated: boolean
}

type Known = 'new' | 'open' | 'ended'

export class SubmittedIds {
  readonly #parts: SubmittedIdsParts
  #quietUntilMs = 0

  constructor(parts: SubmittedIdsParts) {
    this.#parts = parts
  }

  /**
   * Submits by `publish`, unless the log has the task or it has ended. Rejects with TASK_ID_REUSED if its id was used for another
   * text. A task that names no id, or one that can't be an id, is just published.
   */
  async submit(
    { taskId, text }: { readonly taskId?: unknown; readonly text?: unknown },
    publish: () => Promise<{ taskId: string }>,
  ): Promise<Submitted> {
    if (typeof taskId !== 'string' || typeof text !== 'string' || !isTaskId(taskId))
      return { ...(await publish()), isRepeated: false }
    const { text_hash: hash } = askedOf(text)
    const key = `submitted-id:${taskId}`
    const known = await this.#find({ taskId, text, key, hash })
    const isThere = known === 'ended' || (known === 'open' && (await this.#isOnLog(taskId)))
    if (isThere) return { taskId, isRepeated: true }
    try {
      await publish()
    } catch (error) {
      if (known === 'new' && !mayBeWritten(error)) await this.#tolerant(() => this.#parts.store.delete([key]))
      throw error
    }
    // Not waited for: the claim lasts until then, and after a crash publishing again is harmless.
    if (known === 'new') void this.#tolerant(() => this.#parts.store.set(key, published(hash), KEPT_MS))
    return { taskId, isRepeated: known === 'open' }
  }

  /** `new`: claimed, or nothing is known of it. `open`: it was published, and has not ended as far as is known. */
  async #find(asked: { taskId: string; text: string; key: string; hash: string }): Promise<Known> {
    const { taskId, text, key, hash } = asked
    const { store, tasks } = this.#parts
    const [claim, recorded] = await Promise.all([
      this.#tolerant(() => store.compareAndSet(key, null, hash, CLAIM_MS)),
      this.#tolerant(() => tasks.recordedText(taskId)),
    ])
    if (recorded !== null && recorded.hash !== null) {
      if (claim?.swapped) await this.#tolerant(() => store.delete([key]))
      assertSameText(taskId, text, recorded.hash)
      return recorded.isEnded ? 'ended' : 'open'
    }
    if (claim === null || claim.swapped || claim.current === null) return 'new'
    if (claim.current === published(hash)) return 'open'
    if (claim.current !== hash) throw reusedId(taskId)
    return 'new'
  }

  async #isOnLog(taskId: string): Promise<boolean> {
    return (await this.#tolerant(() => this.#parts.isOnLog(taskId))) ?? false
  }

  async #tolerant<T>(operation: () => Promise<T>): Promise<T | null> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Error(`no answer in ${TIME_LIMIT_MS} ms`)), TIME_LIMIT_MS)
    try {
      return await Promise.race([operation(), late.promise])
    } catch (error) {
      this.#warn(error)
      return null
    } finally {
      clearTimeout(timer)
    }
  }

  #warn(error: unknown): void {
    const nowMs = Date.now()
    if (nowMs < this.#quietUntilMs) return
    this.#quietUntilMs = nowMs + WARN_EVERY_MS
    const { log } = this.#parts
    log.warn({ err: error }, 'failed to look up a submitted id; it counts as new (logged once a minute)')
  }
}

const published = (hash: string): string => `${hash} published`

/** Every other error comes before anything is written. */
const mayBeWritten = (error: unknown): boolean =>
  !(error instanceof FlotillaError) || error.code === 'LOG_UNAVAILABLE'
