// Reports of a daily token budget that is near its limit, by an event, a warning in the log, and a metric: the budget has
// reached the share at which it is reported, or what it has left is too little for a task or a call. Best effort.
import { keepNewest } from '../keep-newest.ts'
import type { Clock } from '../clock.ts'
import type { CallContext } from '../stage.ts'
import type { Instruments } from '../telemetry/instruments.ts'
import type { NamedClaim } from './claims.ts'
import type { Refusal } from './port.ts'

type Stream = CallContext['stream']

export interface BudgetWarnings {
  /** The store found that it has reached its share: once a day, and once more after it rose. */
  reached(claim: NamedClaim | undefined, stream: Stream): void
  /**
   * A task or a call was refused; nothing happens unless a budget's settled tokens leave too little for it. In this
   * process once for each budget, day and limit.
   */
  refused(claim: NamedClaim | undefined, refusal: Refusal | undefined, stream: Stream): void
}

/** Key of events about the whole fleet, so that one lane reads them all. */
const OF_THE_FLEET = 'fleet'
/** Budgets whose refusals are remembered. */
const MOST_KNOWN = 10_000

export function budgetWarnings(
  instruments: Pick<Instruments, 'count' | 'log'>,
  clock: Pick<Clock, 'now'>,
): BudgetWarnings {
  const refused = new Set<string>()
  const report = (
    claim: Extract<NamedClaim, { form: 'budget' }>,
    usedTokens: number | null,
    stream: Stream,
  ) => {
    const { whose, setting, limit: limitTokens, warnAt: warnAtTokens = 0, resetsAtMs, amount } = claim
    const name = claim.key.slice(claim.key.indexOf(':') + 1)
    const atMs = clock.now()
    const data = { budget: whose, name, setting, limitTokens, warnAtTokens, usedTokens, resetsAtMs, atMs }
    const said =
      usedTokens === null
        ? `has reached ${warnAtTokens} of ${limitTokens}`
        : `has too little left: ${usedTokens} of ${limitTokens} are used, and ${amount} were wanted`
    instruments.log.warn(data, `the daily token budget of ${whose} ${said}`)
    instruments.count('budgets_warned', 1, { setting })
    stream({ topic: 'ops.health', type: 'BudgetWarned', data, key: OF_THE_FLEET })
  }
  return {
    reached: (claim, stream) => {
      if (claim?.form === 'budget') report(claim, null, stream)
    },
    refused: (claim, refusal, stream) => {
      if (claim?.form !== 'budget' || !refusal?.final) return
      const id = `${claim.key} ${claim.limit}`
      if (refused.has(id)) return
      refused.add(id)
      keepNewest(refused, MOST_KNOWN)
      report(claim, refusal.settled, stream)
    },
  }
}
