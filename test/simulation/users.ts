// Users of a simulated run: tasks of both modes, some of them twice, on the wrong partition, as JSON or
// without an id; cancels before and after, approvals, feedback, and records that are no records.
import { homeOf } from '../../runtime/log/home.ts'
import type { Log, LogRecord } from '../../runtime/log/port.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import type { EventMap, TaskSubmitted } from '../../schemas/generated/events.ts'
import { headers, type TopicName } from '../../schemas/topics.ts'
import { emptyTask as nothing } from '../../schemas/task-fields.ts'
import type { Deed, Deeds } from './deeds.ts'
import { ForkUsers, type Fork } from './forks.ts'
import { SessionUsers } from './session-users.ts'
import { plantTrees, TREE_TASK } from './trees.ts'

export interface Submission {
  readonly taskId: string
  /** The router must reject it. */
  readonly isWrong: boolean
}

/** Position of an undecodable record: it must end as a dead letter. */
export interface Spoilt {
  readonly topic: TopicName
  readonly partition: number
  readonly offset: number
}

const SUBMIT_FOR_MS = 20_000

export class Users {
  readonly submissions: Submission[] = []
  readonly junk: Spoilt[] = []
  /** Tasks that are planned: `t<seed>-0` and so on. */
  count = 0
  readonly #world: World
  readonly #deeds: Deeds
  readonly #log: Log
  readonly #forkUsers: ForkUsers

  constructor(world: World, deeds: Deeds) {
    this.#world = world
    this.#deeds = deeds
    this.#log = world.broker.connect()
    this.#forkUsers = new ForkUsers(world, deeds, this.submissions)
  }

  get forks(): readonly Fork[] {
    return this.#forkUsers.forks
  }

  begin(seed: number): void {
    const { fate } = this.#world
    this.#forkUsers.begin()
    this.#log.tail({ topics: ['tasks.history'], from: 'earliest' }, (records) => this.#watch(records))
    new SessionUsers(this.#world, this.#deeds, this.submissions).begin(seed)
    this.count = fate.between(4, 12, 'tasks')
    for (let index = 0; index < this.count; index++) this.#plan(`t${seed}-${index}`, `task-${index}`)
    for (let index = 0; index < fate.between(0, 2, 'junk'); index++)
      this.#later(`junk-${index}`, fate.between(0, SUBMIT_FOR_MS, 'junk at'), () => void this.#spoil(index))
    plantTrees(this.#world, this.#deeds, this, seed)
  }

  #plan(taskId: string, name: string): void {
    const { fate } = this.#world
    const between = (least: number, most: number, what: string) =>
      fate.between(least, most, `${name} ${what}`)
    const sometimes = (share: number, what: string) => fate.chance(`${name} ${what}`, share)
    const atMs = between(0, SUBMIT_FOR_MS, 'at')
    const isWrong = sometimes(0.06, 'wrong')
    const task: TaskSubmitted = {
      ...nothing,
      taskId,
      text: isWrong ? 'import os' : `do ${taskId}`,
      userId: `user-${between(0, 2, 'user')}`,
      agent: sometimes(0.5, 'mode') ? 'code' : 'tools',
      timeoutMs: sometimes(0.2, 'short') ? between(1_500, 6_000, 'timeout') : 120_000,
      maxCost: sometimes(0.1, 'cheap') ? 0.006 : null,
      maxSteps: sometimes(0.1, 'few') ? 2 : null,
    }
    this.#later(name, atMs, () => {
      this.submissions.push({ taskId, isWrong })
      this.#submit(task, name)
    })
    if (sometimes(0.15, 'again'))
      this.#later(`${name} again`, atMs + between(0, 10_000, 'again'), () =>
        this.#submit(task, `${name} again`),
      )
    if (sometimes(0.2, 'cancelled'))
      this.#later(`${name} cancelled`, Math.max(0, atMs + between(-200, 8_000, 'cancelled')), () =>
        this.#control('TaskCancelled', { taskId, reason: null, requestedBy: null }, name),
      )
    if (sometimes(0.3, 'rated'))
      this.#later(`${name} rated`, atMs + between(0, 20_000, 'rated'), () =>
        this.#control('FeedbackGiven', { taskId, satisfaction: 0.5, comment: null, userId: null }, name),
      )
  }

  #later(deed: Deed, delayMs: number, act: () => void): void {
    this.#deeds.later(deed, delayMs, act)
  }

  #submit(task: TaskSubmitted, name: string): void {
    const { fate, codec } = this.#world
    const { taskId } = task
    if (fate.chance(`${name} as JSON`, 0.15)) {
      const stated = Object.fromEntries(Object.entries(task).filter(([, value]) => value !== null))
      void this.#publish('tasks.submitted', taskId ?? '', Buffer.from(JSON.stringify(stated)), name)
    } else
      void this.#publish(
        'tasks.submitted',
        taskId ?? '',
        codec.encode('TaskSubmitted', task, 'tasks.submitted'),
        name,
      )
  }

  #control<T extends 'TaskCancelled' | 'FeedbackGiven' | 'ApprovalDecided'>(
    type: T,
    data: EventMap[T] & { taskId: string },
    name: string,
  ): void {
    const value = this.#world.codec.encode(type, data, 'tasks.control')
    void this.#publish('tasks.control', data.taskId, value, name)
  }

  /** Every fourth record comes from a client that hashes otherwise. */
  #publish(topic: TopicName, key: string, value: Uint8Array, name: string): Promise<Spoilt[]> {
    const { fate, broker } = this.#world
    const isAstray = fate.chance(`${name} astray`, 0.25)
    const partition = isAstray
      ? fate.between(0, broker.partitions - 1, `${name} to`)
      : homeOf(key, broker.partitions)
    return this.#log.publish([{ topic, partition, key, value, headers: {} }])
  }

  async #spoil(index: number): Promise<void> {
    const topic =
      (['tasks.submitted', 'tools.requested', 'code.requested'] as const)[index % 3] ?? 'tasks.submitted'
    const bytes = new Uint8Array([0, 1, 2, 3, 4, 5, 6])
    this.junk.push(...(await this.#publish(topic, `junk-${index}`, bytes, `junk-${index}`)))
  }

  /** Somebody watches the history and decides on calls that wait for approval: soon, late, or never. */
  #watch(records: readonly LogRecord[]): void {
    const { codec } = this.#world
    for (const { value, headers: header } of records) {
      if (value === null || header[headers.schema] !== 'TaskProgressed') continue
      const decoded = codec.decode(value, 'tasks.history')
      if (decoded instanceof Promise || decoded.type !== 'TaskProgressed') continue
      const { taskId, kind, detail } = decoded.data
      if (kind === 'approval_requested') this.#decide(taskId, detail as unknown as Asked)
    }
  }

  #decide(taskId: string, { callId, why, heldAtMs, arguments: given }: Asked): void {
    const { fate, clock } = this.#world
    const name = `decision about ${callId} (${why})`
    // A fork that asks waits for a week.
    const mustDecide = this.forks.some((fork) => fork.taskId === taskId)
    const isOfTree = given.mark?.startsWith(TREE_TASK) ?? false
    if (!mustDecide && fate.chance(name, isOfTree ? 0.5 : 0.15)) return
    const approved = fate.chance(`${name} is given`, 0.7)
    const edited = why === 'approval' && fate.chance(`${name} edits`, 0.2)
    const tookEffect = why === 'doubt' ? hasArrived(this.#world, taskId, given) : null
    const data = {
      ...{ taskId, callId, approved: approved && tookEffect !== true, reason: null, decidedBy: 'ann' },
      ...{
        tookEffect,
        scopes: null,
        credential: null,
        madeBy: null,
        answer: why === 'question' ? 'yes' : null,
      },
      arguments: edited ? { ...given, note: 'edited' } : null,
      // Some do not say which wait they mean.
      heldAtMs: !mustDecide && fate.chance(`${name} names no wait`, 0.2) ? null : heldAtMs,
    }
    // Some decide twice.
    for (const copy of fate.chance(`${name} twice`, 0.2) ? ['', ' again'] : [''])
      clock.schedule(fate.between(100, 9_000, `${name}${copy} at`), () =>
        this.#control('ApprovalDecided', data, name + copy),
      )
  }
}

/** As the person would see it in the other system. */
const hasArrived = ({ book }: World, taskId: string, { mark }: Asked['arguments']): boolean =>
  book.calls.some(({ effect }) => effect === `transfer ${mark} of ${taskId}`)

interface Asked {
  readonly callId: string
  readonly why: 'approval' | 'question' | 'doubt'
  readonly heldAtMs: number
  readonly arguments: { readonly mark?: string }
}
