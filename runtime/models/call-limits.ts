// How long a call of a provider may take, and how many may run at once, from its configuration and its
// address. Pure.
import type { ProviderDefinition } from '../config/fleet.ts'

export interface CallLimits {
  /** Longest silence: before the answer begins, and between two parts of it. */
  readonly idleTimeoutMs: number
  /** Longest call, however steadily the answer comes. */
  readonly timeoutMs: number
  /** Calls of one process at once; null: no limit. */
  readonly concurrency: number | null
}

const defaults: CallLimits = { idleTimeoutMs: 120_000, timeoutMs: 1_800_000, concurrency: null }

/**
 * For a private server: a CPU may read a long prompt for minutes before it answers, and calls beyond its few
 * slots would queue there, so that a busy server looks like a dead one.
 */
const ownServer: CallLimits = { ...defaults, idleTimeoutMs: 300_000, concurrency: 4 }

/** Answers from records, for tests. */
const SCRIPTED = 'scripted'

export function callLimitsOf(name: string, provider: Partial<ProviderDefinition> | undefined): CallLimits {
  const { baseUrl = '', idleTimeoutMs, timeoutMs, concurrency } = provider ?? {}
  const usual = name !== SCRIPTED && isPrivate(baseUrl) ? ownServer : defaults
  return {
    idleTimeoutMs: idleTimeoutMs ?? usual.idleTimeoutMs,
    timeoutMs: timeoutMs ?? usual.timeoutMs,
    concurrency: concurrency ?? usual.concurrency,
  }
}

/** Loopback, private, link-local, carrier-grade, unique local; names of no public server. As URL has them. */
const PRIVATE_HOSTS =
  /^(127|10)(\.\d+){3}$|^(192\.168|169\.254|172\.(1[6-9]|2\d|3[01])|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(\.\d+){2}$|^\[(::1|f[cd]|fe[89ab])|^[^.[]+$|\.(localhost|local|internal|lan|home\.arpa)$/

/** On this machine or in a private network, judging by its address; a bare name counts as private. */
export const isPrivate = (baseUrl: string): boolean =>
  URL.canParse(baseUrl) && PRIVATE_HOSTS.test(new URL(baseUrl).hostname)
