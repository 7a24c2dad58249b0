// Users whose tasks are turns of sessions: several messages at once, every policy, cancels, deletions, and users who name
// the session of another.
import { homeOf } from '../../runtime/log/home.ts'
import type { Log } from '../../runtime/log/port.ts'
import { whenBusyChoices } from '../../runtime/config/sessions.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import type { EventMap, EventType, TaskSubmitted } from '../../schemas/generated/events.ts'
import { emptyTask } from '../../schemas/task-fields.ts'
import type { TopicName } from '../../schemas/topics.ts'
import type { Deeds } from './deeds.ts'
import type { Submission } from './users.ts'

const SHARE = 0.5
const SUBMIT_FOR_MS = 15_000

export class SessionUsers {
  readonly #world: World
  readonly #deeds: Deeds
  readonly #submissions: Submission[]
  readonly #log: Log

  constructor(world: World, deeds: Deeds, submissions: Submission[]) {
    this.#world = world
    this.#deeds = deeds
    this.#submissions = submissions
    this.#log = world.broker.connect()
  }

  begin(seed: number): void {
    const { fate } = this.#world
    if (!fate.chance('sessions', SHARE)) return
    for (let index = 0; index < fate.between(1, 2, 'how many sessions'); index++)
      this.#plan(`c${seed}-${index}`)
  }

  #plan(sessionId: string): void {
    const { fate } = this.#world
    const count = fate.between(2, 7, `messages of ${sessionId}`)
    for (let index = 0; index < count; index++) this.#message(sessionId, `${sessionId}-${index}`)
    if (fate.chance(`${sessionId} deleted`, 0.15))
      this.#deeds.later(
        `${sessionId}-deleted`,
        fate.between(1_000, SUBMIT_FOR_MS, `${sessionId} deleted at`),
        () =>
          this.#write('sessions.requested', 'SessionDeleted', sessionId, {
            sessionId,
            requestedBy: null,
            atMs: this.#world.clock.now(),
          }),
      )
  }

  #message(sessionId: string, taskId: string): void {
    const { fate } = this.#world
    const isIntruder = fate.chance(`${taskId} is an intruder`, 0.15)
    const policy = fate.pick([null, ...whenBusyChoices], `${taskId} policy`) ?? null
    const task: TaskSubmitted = {
      ...emptyTask,
      taskId,
      text: `do ${taskId}`,
      sessionId,
      userId: isIntruder ? 'user-2' : 'user-0',
      agent: fate.chance(`${taskId} mode`, 0.5) ? 'code' : 'tools',
      timeoutMs: fate.chance(`${taskId} short`, 0.2) ? 4_000 : 120_000,
      whenBusy: policy,
    }
    const atMs = fate.between(0, SUBMIT_FOR_MS, `${taskId} at`)
    this.#deeds.later(taskId, atMs, () => {
      this.#submissions.push({ taskId, isWrong: false })
      this.#write('tasks.submitted', 'TaskSubmitted', taskId, task)
    })
    if (fate.chance(`${taskId} cancelled`, 0.15))
      this.#deeds.later(`${taskId} cancelled`, atMs + fate.between(0, 8_000, `${taskId} cancelled at`), () =>
        this.#write('tasks.control', 'TaskCancelled', taskId, { taskId, reason: null, requestedBy: null }),
      )
  }

  #write<T extends EventType>(topic: TopicName, type: T, key: string, data: EventMap[T]): void {
    const { broker, codec } = this.#world
    const value = codec.encode(type, data, topic)
    const headers = { 'flotilla-schema': type, 'flotilla-event-id': `${type} of ${key}` }
    const isOpen = topic !== 'sessions.requested'
    const record = {
      topic,
      partition: homeOf(key, broker.partitions),
      key,
      value,
      headers: isOpen ? {} : headers,
    }
    void this.#log.publish([record])
  }
}
