// Compares the day's budgets with the usage ledger, and rebuilds them from the ledger if they differ, e.g.
// after Redis lost its data.
import { sql as raw } from 'kysely'
import type { Fleet } from '../config/fleet.ts'
import type { Sql } from '../store/sql.ts'
import { budgetOf, dayOf, modelKey, type Day } from './claims.ts'
import type { Limits } from './port.ts'

export interface BudgetLine {
  /** `fleet`, `user:ann`, `model:gpt-4o`. */
  readonly budget: string
  /** Tokens of calls that have ended, and of those that have not. */
  readonly used: number
  readonly reserved: number
  /** Null: no longer counted. */
  readonly limit: number | null
  /** Tokens of the day's calls in the usage ledger, which is a second or so behind. */
  readonly recorded: number
  readonly resetsAtMs: number
}

export interface LimitsReader {
  /** Today's budgets, the fullest first. */
  show(): Promise<BudgetLine[]>
  /** Sets `used` to `recorded`. Resolves with the former values of changed lines. Best while no task runs. */
  rebuild(): Promise<BudgetLine[]>
}

interface LimitsReaderParts {
  readonly fleet: Pick<Fleet, 'limits'>
  readonly limits: Pick<Limits, 'budgets' | 'correct'>
  readonly sql: Sql
  readonly now?: () => number
}

export function limitsReader({ fleet, limits, sql, now = Date.now }: LimitsReaderParts): LimitsReader {
  const { budgets } = fleet.limits
  async function standing(day: Day): Promise<BudgetLine[]> {
    const [states, recorded] = await Promise.all([limits.budgets(`${day.name}:`), recordedTokens(sql, day)])
    const counted = new Map(states.map((state) => [state.key.slice(day.name.length + 1), state]))
    const names = [...new Set([...counted.keys(), ...recorded.keys()])]
    const lines = names.map((budget) => ({
      budget,
      used: counted.get(budget)?.settled ?? 0,
      reserved: counted.get(budget)?.reserved ?? 0,
      limit: budgetOf(budget, budgets).limit,
      recorded: recorded.get(budget) ?? 0,
      resetsAtMs: day.endsAtMs,
    }))
    // A budget that is not limited is not counted.
    return lines.filter(({ limit, used, reserved }) => limit !== null || used + reserved > 0).sort(byShare)
  }
  return {
    show: () => standing(dayOf(now(), budgets)),
    rebuild: async () => {
      const day = dayOf(now(), budgets)
      const wrong = (await standing(day)).filter(({ used, recorded }) => used !== recorded)
      for (const { budget, recorded } of wrong)
        await limits.correct(`${day.name}:${budget}`, recorded, day.endsAtMs)
      return wrong
    },
  }
}

const shareOf = ({ used, reserved, limit }: BudgetLine): number => (used + reserved) / (limit ?? Infinity)

const byShare = (a: BudgetLine, b: BudgetLine): number =>
  shareOf(b) - shareOf(a) || (a.budget < b.budget ? -1 : 1)

/** By budget. A call counts on the day on which it began. */
async function recordedTokens(sql: Sql, day: Day): Promise<Map<string, number>> {
  const beganMs = raw<number>`at_ms - duration_ms`
  const rows = await sql
    .selectFrom('usage_ledger')
    .select(['user_id', 'model', raw<number | string>`sum(input_tokens + output_tokens)`.as('tokens')])
    .where('kind', '=', 'model')
    .where('at_ms', '>=', day.beginsAtMs)
    .where(beganMs, '>=', day.beginsAtMs)
    .where(beganMs, '<', day.endsAtMs)
    .groupBy(['user_id', 'model'])
    .execute()
  const sums = new Map<string, number>()
  const add = (budget: string, tokens: number) => sums.set(budget, (sums.get(budget) ?? 0) + tokens)
  for (const { user_id: userId, model, tokens } of rows) {
    add('fleet', Number(tokens))
    if (userId !== null) add(`user:${userId}`, Number(tokens))
    if (model !== null) add(`model:${modelKey(model)}`, Number(tokens))
  }
  return sums
}
