// Alerts for operators, from the topics alone, so that it works beside any process of the fleet.
import { randomUUID } from 'node:crypto'
import type { Codec, Decoded } from '../../runtime/codec/port.ts'
import { LOG_CHANNEL, unknownRule } from '../../runtime/config/alerts.ts'
import type { Alerts, NamedRule } from '../../runtime/config/alert-rules.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { homeOf } from '../../runtime/log/home.ts'
import type { Log, LogRecord } from '../../runtime/log/port.ts'
import { isPausedBy, readPauses } from '../../runtime/pauses.ts'
import type {
  AlertRaised,
  AlertResolved,
  AlertSilenced,
  NotificationEnded,
} from '../../schemas/generated/events.ts'
import { readable } from '../../runtime/codec/skip.ts'
import { latestEvents } from './topic-reads.ts'
import { identityMistakes } from '../../schemas/identity.ts'
import { headers as names, type TopicName } from '../../schemas/topics.ts'

export interface AlertView {
  rule: string
  severity: string
  condition: Pick<NamedRule, 'measure' | 'threshold' | 'windowMs' | 'minTasks' | 'pattern'>
  channels: readonly string[]
  /** Channels that alerts.channels does not define, so they are not notified; absent from older gateways. */
  missingChannels?: readonly string[]
  state: 'firing' | 'ok'
  /** The message of its last event; null if there was none. */
  message: string | null
  /** Since when it fires. */
  sinceMs: number | null
  silence: { untilMs: number; reason: string | null; by: string | null } | null
}

export interface TestAnswer {
  channel: string
  status: NotificationEnded['status']
  answer: string
}

export interface AlertOperator {
  /** Every rule with its state and silence. */
  list(): Promise<AlertView[]>
  /** Mutes the rule's channels until then; a time in the past ends the silence. Rejects with NOT_FOUND. */
  silence(rule: string, silence: { untilMs: number; reason?: string; by?: string }): Promise<void>
  /**
   * Tests each channel of the rule; resolves with their answers. Rejects with NOT_FOUND, or LOG_UNAVAILABLE
   * if no service answers.
   */
  test(rule: string): Promise<TestAnswer[]>
}

type Settings = Pick<Alerts, 'rules' | 'silences' | 'channels'>

/** Throws NOT_FOUND with the known names. */
export function namedRule(name: string, { rules }: Pick<Alerts, 'rules'>): NamedRule {
  const rule = rules.find((each) => each.name === name)
  if (!rule) throw new FlotillaError('NOT_FOUND', unknownRule(name, rules))
  return rule
}

/** Each rule as configured, with its last event and its silence. */
export function alertViews(
  { rules, silences: configured, channels: defined }: Settings,
  events: readonly Decoded[],
  said: ReadonlyMap<string, NonNullable<AlertView['silence']>>,
): AlertView[] {
  const nowMs = Date.now()
  const silences = new Map(said)
  for (const { rule, fromMs, untilMs } of configured)
    if (fromMs <= nowMs && untilMs > Math.max(nowMs, silences.get(rule)?.untilMs ?? 0))
      silences.set(rule, { untilMs, reason: null, by: 'flotilla.config.ts' })
  return rules.map(({ name, severity, channels, ...rule }) => {
    const { measure, threshold, windowMs, minTasks, pattern } = rule
    const own = events.filter(({ data }) => (data as AlertRaised | AlertResolved).rule === name)
    const last = own.at(-1)
    const { message = null, alertId } = (last?.data ?? {}) as Partial<AlertRaised>
    const first = own.find(({ data }) => (data as AlertRaised).alertId === alertId)
    const firing = last?.type === 'AlertRaised'
    return {
      rule: name,
      severity,
      condition: { measure, threshold, windowMs, minTasks, pattern },
      channels,
      missingChannels: channels.filter((name) => name !== LOG_CHANNEL && !Object.hasOwn(defined, name)),
      state: firing ? 'firing' : 'ok',
      message,
      sinceMs: firing ? (first?.data as AlertRaised).atMs : null,
      silence: silences.get(name) ?? null,
    }
  })
}

const FLEET = 'fleet'
const READ_MOST = 500
/** A firing alert is raised every hour: one that was not for two is none. */
const RAISED_AGAIN_MS = 7_200_000
const TEST_MS = 25_000

export class DirectAlerts implements AlertOperator {
  readonly #log: Log
  readonly #codec: Codec
  readonly #settings: Settings

  constructor(log: Log, codec: Codec, settings: Settings) {
    this.#log = log
    this.#codec = codec
    this.#settings = settings
  }

  async list(): Promise<AlertView[]> {
    const raised = await this.#latest('alerts.raised', Date.now() - RAISED_AGAIN_MS)
    return alertViews(this.#settings, raised, await this.#silences())
  }

  /** Silences that hold now, by rule. */
  async #silences(): Promise<Map<string, NonNullable<AlertView['silence']>>> {
    const nowMs = Date.now()
    const found = new Map<string, NonNullable<AlertView['silence']>>()
    for (const { type, data } of await this.#latest('alerts.control', 0)) {
      if (type !== 'AlertSilenced') continue
      const { rule, untilMs, reason, by } = data as AlertSilenced
      if (untilMs > nowMs) found.set(rule, { untilMs, reason, by })
      else found.delete(rule)
    }
    return found
  }

  async silence(
    rule: string,
    { untilMs, reason, by }: { untilMs: number; reason?: string; by?: string },
  ): Promise<void> {
    namedRule(rule, this.#settings)
    const data = { rule, untilMs, reason: reason ?? null, by: by ?? null, atMs: Date.now() }
    const mistakes = identityMistakes('AlertSilenced', data)
    if (mistakes.length > 0) throw new FlotillaError('REQUEST_INVALID', mistakes.join('; '))
    await this.#publish('AlertSilenced', data)
  }

  async test(rule: string): Promise<TestAnswer[]> {
    namedRule(rule, this.#settings)
    const pauses = await readPauses(this.#log, this.#codec)
    if (isPausedBy(pauses, 'alerting')) {
      // The fleet's come first: while there is one, no stage is resumed alone.
      const resume = pauses[0]?.stage == null ? 'flotilla resume' : 'flotilla resume alerting'
      throw new FlotillaError('LOG_UNAVAILABLE', `alerting is paused, so no test is sent: ${resume}`)
    }
    const testId = randomUUID()
    const asked = new Set<string>()
    const answers = new Map<string, TestAnswer>()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const take = async (record: LogRecord): Promise<void> => {
      const event = await readable(this.#codec, record)
      if (event?.type === 'NotificationRequested' && event.data.testId === testId)
        asked.add(event.data.channel)
      if (event?.type !== 'NotificationEnded' || event.data.testId !== testId) return
      const { data } = event
      answers.set(data.channel, { channel: data.channel, status: data.status, answer: data.answer })
      if ([...asked].every((channel) => answers.has(channel))) resolve()
    }
    const tail = this.#log.tail({ topics: ['alerts.notifications'], from: 'latest' }, async (records) => {
      for (const record of records) await take(record)
    })
    const late = new FlotillaError(
      'LOG_UNAVAILABLE',
      `no alerting service answered within ${TEST_MS / 1_000} s; is one running? (flotilla start alerting)`,
    )
    const timer = setTimeout(() => (answers.size > 0 ? resolve() : reject(late)), TEST_MS)
    try {
      await tail.ready
      await this.#publish('AlertTested', { testId, rule, atMs: Date.now() })
      await promise
    } finally {
      clearTimeout(timer)
      await tail.close()
    }
    const silent = [...asked].filter((channel) => !answers.has(channel))
    return [
      ...answers.values(),
      ...silent.map((channel) => ({ channel, status: 'failed' as const, answer: 'no answer yet' })),
    ]
  }

  /** `sinceMs`: older events say nothing of now. */
  #latest(topic: TopicName, sinceMs: number): Promise<Decoded[]> {
    return latestEvents({ log: this.#log, codec: this.#codec }, topic, { most: READ_MOST, sinceMs })
  }

  async #publish<T extends 'AlertSilenced' | 'AlertTested'>(
    type: T,
    data: Parameters<Codec['encode']>[1],
  ): Promise<void> {
    const value = this.#codec.encode(type, data as never, 'alerts.control')
    const headers = { [names.eventId]: randomUUID().replaceAll('-', ''), [names.schema]: type }
    const partition = homeOf(FLEET, this.#log.partitions)
    await this.#log.publish([{ topic: 'alerts.control', partition, key: FLEET, value, headers }])
  }
}
