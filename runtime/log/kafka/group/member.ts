// One member of a consumer group: joins, heartbeats, joins again, leaves. It knows lanes, not records.
//
// 1. It works on its own link, because the broker holds a JoinGroup until the others have joined; it leaves
//    on another, so that lanes move at once even while a join is under way.
// 2. Lanes are kept while the group rebalances; `onAssignment` reports the new set afterwards. If the group
//    has forgotten the member, `onAssignment([])` comes first: its lanes may have been elsewhere meanwhile.
// 3. It never gives up while its error may pass; it calls `onTrouble` once per outage, and `onRecovered` when
//    that is over.
// 4. `confirm` resolves once the group has confirmed, after the call, which lanes are ours: by a heartbeat
//    that it accepted, or by a new assignment. It rejects when the member leaves, also if its heartbeat was
//    under way then.
// 5. Before its first join it looks for members whose process is dead, and takes them out (dead-members.ts).
import { ownMark } from '../../../process-mark.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  type GroupIdentity,
} from '../connection/client.ts'
import { deadMembers, removeMembers } from './dead-members.ts'
import { errorType, isTransient, isUnreachable } from '../errors.ts'
import { assignLanes, decodeClaim, encodeClaim } from './assigner.ts'
import { within, type Link } from '../connection/link.ts'

export interface GroupMemberOptions {
  readonly groupId: string
  /** Members of a group share one: a broker refuses a reader in the group of a stage, and vice versa. */
  readonly protocol: 'flotilla-lanes' | 'flotilla-readers'
  /** Names on the broker; all have `laneCount` partitions. */
  readonly topics: readonly string[]
  readonly laneCount: number
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly heartbeatMs: number
}

export interface GroupListener {
  /** `isForgotten`: the group has given this member up. */
  onAssignment(lanes: readonly number[], isForgotten: boolean): void
  onTrouble(error: Error): void
  onRecovered?(): void
}

const REJOIN = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'NOT_COORDINATOR_FOR_GROUP'])
const FORGOTTEN = new Set(['UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID'])
/** Short, because lanes wait for members that have not joined yet. */
const LONGEST_PAUSE_MS = 500
/** Shorter outages are not reported. */
const TROUBLE_AFTER_MS = 2_500
/** A member that can't say that it leaves is given up by the group after `sessionTimeoutMs`. */
const LEAVE_MS = 2_000

interface Waiter {
  resolve(): void
  reject(error: Error): void
}

export class GroupMember {
  readonly #link: Link
  readonly #leaveLink: Link
  readonly #options: GroupMemberOptions
  readonly #listener: GroupListener
  readonly #running: Promise<void>
  #memberId = ''
  #generation = -1
  #lanes: readonly number[] = []
  readonly #declined = new Set<number>()
  #left = false
  #joining = true
  #waiters: Waiter[] = []
  #wake: () => void = () => {}

  constructor(link: Link, leaveLink: Link, options: GroupMemberOptions, listener: GroupListener) {
    this.#link = link
    this.#leaveLink = leaveLink
    this.#options = options
    this.#listener = listener
    // A tick later, so that the caller has the member before the first assignment.
    this.#running = new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#run())
  }

  get identity(): GroupIdentity {
    return { groupGenerationId: this.#generation, memberId: this.#memberId }
  }

  confirm(): Promise<void> {
    if (this.#left) return Promise.reject(new Error(`the member has left ${this.#options.groupId}`))
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#wake()
    })
  }

  /** Asks the group to give the lane to another member. */
  decline(lane: number): void {
    this.#declined.add(lane)
    this.#joining = true
    this.#wake()
  }

  async leave(): Promise<void> {
    if (this.#left) return this.#running
    this.#left = true
    this.#wake()
    this.#rejectWaiters()
    // Without a member id the first join is under way: it ends by itself, and `#run` leaves then.
    if (this.#memberId !== '') await this.#sayLeave()
    await this.#running
  }

  #rejectWaiters(): void {
    const left = new Error(`the member has left ${this.#options.groupId}`)
    for (const { reject } of this.#waiters.splice(0)) reject(left)
  }

  async #sayLeave(): Promise<void> {
    const { groupId } = this.#options
    const memberId = this.#memberId
    this.#memberId = ''
    const leaving = this.#leaveLink.attempt(
      async () => (await this.#leaveLink.coordinator('group', groupId)).leaveGroup({ groupId, memberId }),
      { withinMs: LEAVE_MS },
    )
    await within(
      LEAVE_MS,
      leaving.catch(() => {}),
    )
  }

  async #run(): Promise<void> {
    let pauseMs = 10
    let failingSinceMs: number | null = null
    let troubled = false
    while (!this.#left) {
      try {
        if (this.#joining) await this.#join()
        else await this.#beat()
        pauseMs = 10
        if (troubled) this.#listener.onRecovered?.()
        troubled = false
        failingSinceMs = null
      } catch (error) {
        if (this.#left) break
        if (await this.#rejoinAfter(error)) continue
        failingSinceMs ??= performance.now()
        const isShort = performance.now() - failingSinceMs < TROUBLE_AFTER_MS
        if (!troubled && !(isTransient(error) && isShort)) {
          troubled = true
          this.#listener.onTrouble(error instanceof Error ? error : new Error(String(error)))
        }
        await this.#sleep(pauseMs)
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
      }
    }
    // A heartbeat that failed has given its waiters back.
    this.#rejectWaiters()
    if (this.#memberId !== '') await this.#sayLeave()
  }

  /** True if the error only means: join (again) now. */
  async #rejoinAfter(error: unknown): Promise<boolean> {
    const type = errorType(error) ?? ''
    await this.#link.recover(error)
    if (FORGOTTEN.has(type)) {
      this.#memberId = ''
      this.#take(-1, [])
    } else if (!REJOIN.has(type)) {
      // Out of reach: the generation may still be valid, so heartbeats go on. Anything else starts over.
      this.#joining ||= !isUnreachable(error) && !isTransient(error)
      return false
    }
    this.#joining = true
    return type !== 'NOT_COORDINATOR_FOR_GROUP'
  }

  async #join(): Promise<void> {
    const { groupId, protocol, topics, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options
    await this.#link.connect()
    const coordinator = await this.#link.coordinator('group', groupId)
    const declined = [...this.#declined]
    const mark = await ownMark()
    const dead = this.#memberId === '' ? await deadMembers(coordinator, groupId).catch(() => []) : []
    const claimed = { generation: this.#generation, lanes: this.#lanes, declined }
    const claim = encodeClaim({ ...claimed, ...(mark === null ? {} : { mark }) })
    const joining = coordinator.joinGroup({
      groupId,
      memberId: this.#memberId,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      groupProtocols: [{ name: protocol, metadata: encodeSubscription(topics, claim) }],
    })
    if (dead.length > 0) void removeMembers(this.#leaveLink, groupId, dead)
    const joined = await joining
    this.#memberId = joined.memberId
    if (this.#left) return
    const synced = await coordinator.syncGroup({
      groupId,
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupAssignment: joined.leaderId === joined.memberId ? this.#assign(joined.members) : [],
    })
    if (this.#left) return
    const lanes = Object.values(decodeAssignment(synced.memberAssignment))[0] ?? []
    // A lane that was declined meanwhile is reported in the next join.
    this.#joining = this.#declined.size > declined.length
    this.#take(joined.generationId, lanes)
    for (const { resolve } of this.#waiters.splice(0)) resolve()
  }

  #assign(
    members: readonly { memberId: string; memberMetadata: Buffer }[],
  ): { memberId: string; memberAssignment: Buffer }[] {
    const known = members.map(({ memberId, memberMetadata }) => {
      const { topics, userData } = decodeSubscription(memberMetadata)
      return { memberId, topics, claim: decodeClaim(memberId, userData) }
    })
    const lanes = assignLanes(
      known.map(({ claim }) => claim),
      this.#options.laneCount,
    )
    return known.map(({ memberId, topics }) => ({
      memberId,
      memberAssignment: encodeAssignment(topics, lanes.get(memberId) ?? []),
    }))
  }

  #take(generation: number, lanes: readonly number[]): void {
    this.#generation = generation
    this.#lanes = lanes
    this.#listener.onAssignment(lanes, generation < 0)
  }

  /** Waits for the interval, then sends a heartbeat. Rejects when the group rebalances. */
  async #beat(): Promise<void> {
    const { groupId, heartbeatMs } = this.#options
    if (this.#waiters.length === 0) await this.#sleep(heartbeatMs)
    if (this.#left) return
    const asked = this.#waiters.splice(0)
    try {
      const coordinator = await this.#link.coordinator('group', groupId)
      await coordinator.heartbeat({ groupId, ...this.identity })
    } catch (error) {
      this.#waiters.unshift(...asked)
      throw error
    }
    for (const { resolve } of asked) resolve()
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
