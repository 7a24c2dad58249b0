// Users who fork tasks that have ended, while the fleet goes on: from any step, under every policy that keeps tools from
// being called, with the whole recording or without a part of it.
import type { ToolPolicy } from '../../runtime/task/recording.ts'
import { resolve } from '../../runtime/codec/claim-check.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log, LogRecord } from '../../runtime/log/port.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import { toResult } from '../../client/result.ts'
import { recordingOf } from '../../operator/direct/tasks/recordings.ts'
import type { TaskCompleted } from '../../schemas/generated/events.ts'
import type { Json } from '../../schemas/json.ts'
import { emptyTask } from '../../schemas/task-fields.ts'
import type { Deeds } from './deeds.ts'
import type { Submission } from './users.ts'

export interface Fork {
  readonly taskId: string
  readonly origin: string
  readonly policy: ToolPolicy
}

const SHARE = 0.3
const policies = ['recorded', 'recorded', 'ask', 'refuse'] as const satisfies readonly ToolPolicy[]
/** Tasks of users.ts; those of trees, sessions and hostile users are left alone. */
const ORDINARY = /^t\d+-\d+$/

export class ForkUsers {
  readonly forks: Fork[] = []
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

  begin(): void {
    this.#log.tail({ topics: ['tasks.completed'], from: 'earliest' }, (records) => {
      for (const record of records) this.#consider(record)
    })
  }

  #consider({ key, value }: LogRecord): void {
    const { fate, codec } = this.#world
    if (key === null || value === null || !ORDINARY.test(key)) return
    if (!fate.chance(`fork of ${key}`, SHARE)) return
    const decoded = codec.decode(value, 'tasks.completed')
    if (decoded instanceof Promise || decoded.type !== 'TaskCompleted') return
    const { data } = decoded
    this.#deeds.later(`fork-${key}`, fate.between(0, 5_000, `fork of ${key} at`), () => this.#fork(data))
  }

  async #fork(ended: TaskCompleted): Promise<void> {
    const { fate, codec, blobs, clock } = this.#world
    const { taskId: origin, text, userId, agent } = ended
    const draw = (what: string): string => `fork of ${origin} ${what}`
    const whole = await resolve('TaskCompleted', ended, blobs)
    const result = toResult(whole as TaskCompleted)
    const step = fate.between(1, Math.max(1, result.steps.length), draw('step'))
    const policy = fate.pick(policies, draw('policy'))
    const parts = { log: this.#log, codec, blobs }
    // Without it the log has lost what is needed: the operator refuses such a fork.
    const recording = await recordingOf(parts, { task: emptyTask, result }, step).catch(() => null)
    if (recording === null) return
    const isPartial = fate.chance(draw('is partial'), 0.4)
    const taskId = `f${origin}`
    const task = {
      ...emptyTask,
      ...{ taskId, text, userId, agent, timeoutMs: 120_000, toolPolicy: policy, parent: origin },
      ...{ forkedFrom: origin, forkedFromStep: step },
      recording: { ...recording, ...(isPartial ? { outcomes: [] } : {}) } as unknown as Json,
    }
    this.#submissions.push({ taskId, isWrong: false })
    this.forks.push({ taskId, origin, policy })
    this.#publish(taskId, 'tasks.submitted', codec.encode('TaskSubmitted', task, 'tasks.submitted'))
    if (!fate.chance(draw('cancelled'), 0.15)) return
    const cancel = { taskId, reason: null, requestedBy: null }
    clock.schedule(fate.between(0, 6_000, draw('cancelled at')), () =>
      this.#publish(taskId, 'tasks.control', codec.encode('TaskCancelled', cancel, 'tasks.control')),
    )
  }

  #publish(key: string, topic: 'tasks.submitted' | 'tasks.control', value: Uint8Array): void {
    const partition = homeOf(key, this.#world.broker.partitions)
    void this.#log.publish([{ topic, partition, key, value, headers: {} }])
  }
}
