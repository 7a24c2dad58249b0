// A stage's membership in its group: which lanes are ours, and opening them.
//
// 1. Lanes that stay are not announced again and go on fetching and committing while the group rebalances.
// 2. A revoked lane is closed before its owner learns of it: its later commits are LaneFenced.
// 3. A lane is opened again only after the group has confirmed that it is still ours, so that a member that
//    was away does not fence the rightful owner.
import { FlotillaError, messageOf } from '../../../errors.ts'
import {
  LaneFenced,
  type JoinOptions,
  type LaneListener,
  type Membership,
  type OpenLane,
} from '../../port.ts'
import { once } from '../../../once.ts'
import { newLink, type Context } from '../context.ts'
import { transactionReason } from '../errors.ts'
import { GroupMember } from './member.ts'
import type { Gone, KafkaLane } from '../lane/lane.ts'
import { openLane } from '../lane/opening.ts'
import { within, type Link } from '../connection/link.ts'
import { PositionReports } from '../lane/position-reports.ts'
import { Problems, stateProblems, topicProblems } from '../admin/problems.ts'
import type { MarkedPosition, StateEnd } from '../lane/positions.ts'
import type { Looked } from '../admin/topic-watch.ts'

/** A commit that meets trouble takes several deliveries: to begin, to write, to end or abort. */
const LONGEST_COMMITS = 4
/** How long an opening, and the members that get our lanes when we leave, wait for the group to have our positions. */
const LAST_REPORT_MS = 1_000

export class KafkaMembership implements Membership {
  readonly #context: Context
  readonly #options: JoinOptions
  readonly #listener: LaneListener
  readonly #groupLink: Link
  readonly #member: GroupMember
  readonly #reports: PositionReports
  readonly #open = new Map<number, KafkaLane>()
  readonly #opening = new Set<Link>()
  /** Lanes opened since they were assigned. */
  readonly #opened = new Set<number>()
  /** Losses that a lane found, for its next opening. */
  readonly #gone = new Map<number, readonly Gone[]>()
  readonly #stateEnds = new Map<number, StateEnd>()
  readonly #problems: Problems
  readonly #unwatch: () => void
  #assigned: ReadonlySet<number> = new Set()
  #isLeaving = false
  readonly joined: Promise<void>
  #hasJoined = () => {}
  readonly leave: () => Promise<void>

  constructor(context: Context, options: JoinOptions, listener: LaneListener) {
    this.#context = context
    this.#options = options
    this.#listener = listener
    const { names, settings, partitions, logger } = context
    const topics = options.topics.map(names.topic)
    this.#groupLink = newLink(context)
    this.#member = new GroupMember(
      this.#groupLink,
      context.shared,
      {
        groupId: names.group('stage', options.group),
        protocol: 'flotilla-lanes',
        topics,
        laneCount: partitions,
        sessionTimeoutMs: settings.sessionTimeoutMs,
        rebalanceTimeoutMs: settings.sessionTimeoutMs,
        heartbeatMs: settings.heartbeatMs,
      },
      {
        onAssignment: (lanes, isForgotten) => this.#assign(lanes, isForgotten),
        onTrouble: (error) => this.#listener.onError(this.#trouble('taking part in the group', error)),
        onRecovered: () => this.#listener.onRecovered?.(),
      },
    )
    this.#reports = new PositionReports({
      link: context.shared,
      groupId: names.group('stage', options.group),
      identity: () => this.#member.identity,
      logger,
    })
    this.#problems = new Problems((problems) => listener.onProblems?.(problems))
    const watched = [...topics, names.stateTopic(options.group)]
    this.#unwatch = context.topicWatch.watch(watched, (looked) => this.#looked(looked))
    this.joined = new Promise((resolve) => (this.#hasJoined = resolve))
    this.leave = once(() => this.#leave())
  }

  #assign(lanes: readonly number[], isForgotten: boolean): void {
    const former = this.#assigned
    this.#assigned = new Set(lanes)
    for (const lane of former) {
      if (this.#assigned.has(lane)) continue
      this.#drop(lane)
      this.#reports.forget(lane)
      this.#listener.onRevoked(lane, isForgotten)
    }
    for (const lane of lanes) if (!former.has(lane)) this.#listener.onAssigned(lane)
    this.#hasJoined()
  }

  #drop(lane: number): void {
    const open = this.#open.get(lane)
    this.#open.delete(lane)
    this.#opened.delete(lane)
    for (const topic of this.#options.topics) this.#problems.set(`${lane} ${topic}`, [])
    void open?.close()
  }

  decline(lane: number): void {
    this.#drop(lane)
    this.#member.decline(lane)
  }

  async open(lane: number, after = -1): Promise<OpenLane> {
    const { group, topics } = this.#options
    const again = this.#opened.has(lane)
    this.#mustOwn(lane)
    this.#drop(lane)
    this.#opened.add(lane)
    const onWait = (waitsFor: string): void => this.#listener.onOpening?.(lane, waitsFor)
    onWait('its consumer group')
    if (again) await this.#confirm(lane)
    // In case the rows are lost: the group's positions are what is left then.
    if (again) await within(LAST_REPORT_MS, this.#reports.flush())
    const gone = this.#gone.get(lane) ?? []
    const opened = await openLane(this.#context, {
      stage: group,
      topics,
      lane,
      after,
      lingerMs: this.#options.lingerMs ?? 0,
      onMoved: (positions) => this.#moved(lane, positions),
      opening: this.#opening,
      gone,
      onGone: (found) => this.#gone.set(lane, [...(this.#gone.get(lane) ?? []), found]),
      onWait,
      onLoss: (loss) => this.#listener.onLoss?.(lane, loss),
      onStateLost: (cause) => this.#listener.onStateLost?.(lane, cause),
      stateEnd: this.#stateEnds.get(lane) ?? null,
      onStateEnd: (end) => this.#stateEnds.set(lane, end),
      onStuck: (topic, problem) => this.#problems.set(`${lane} ${topic}`, problem === null ? [] : [problem]),
    }).catch((error: unknown) => {
      if (error instanceof LaneFenced) throw error
      throw this.#trouble(`opening lane ${lane}`, error)
    })
    this.#gone.delete(lane)
    if (!this.#assigned.has(lane)) {
      void opened.close()
      this.#mustOwn(lane)
    }
    this.#open.set(lane, opened)
    return opened
  }

  #looked(looked: Looked): void {
    for (const lane of this.#open.values()) lane.compare(looked.facts)
    const { names, partitions } = this.#context
    const { group, topics } = this.#options
    this.#problems.set('topics', [
      ...topicProblems(topics.map(names.topic), partitions, looked),
      ...stateProblems(names.stateTopic(group), partitions, looked),
    ])
  }

  #moved(lane: number, positions: readonly MarkedPosition[]): void {
    if (!this.#assigned.has(lane) && !this.#isLeaving) return
    const { names } = this.#context
    const reports = positions.map(({ topic, offset, text }) => {
      return { topic: names.topic(topic), partition: lane, offset, metadata: text }
    })
    this.#reports.moved(reports)
  }

  async #confirm(lane: number): Promise<void> {
    await this.#member.confirm().catch((error: unknown) => {
      throw new LaneFenced(messageOf(error), { cause: error })
    })
    this.#mustOwn(lane)
  }

  #mustOwn(lane: number): void {
    if (this.#assigned.has(lane)) return
    throw new LaneFenced(`lane ${lane} of ${this.#options.group} belongs to another member`)
  }

  #trouble(doing: string, error: unknown): FlotillaError {
    const message = `${doing} of ${this.#options.group}: ${transactionReason(error)}`
    return new FlotillaError('LOG_UNAVAILABLE', message, { cause: error })
  }

  async #leave(): Promise<void> {
    this.#isLeaving = true
    this.#assigned = new Set()
    this.#unwatch()
    const open = [...this.#open.values()]
    this.#open.clear()
    const closing = Promise.all([...open, ...this.#opening].map((each) => each.close()))
    const settled = Promise.all(open.map((lane) => lane.settled()))
    await within(
      LAST_REPORT_MS,
      settled.then(() => this.#reports.flush()),
    )
    this.#reports.close()
    await this.#member.leave()
    await within(LONGEST_COMMITS * this.#context.settings.deliveryTimeoutMs, closing)
    await this.#groupLink.close()
  }
}
