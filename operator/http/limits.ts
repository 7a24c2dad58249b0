import type { BudgetLine, LimitsReader } from '../../runtime/limits/budget-report.ts'
import { askGateway } from '../../client/http/client.ts'

/** The budgets through a gateway: an embedded fleet's file belongs to the process that runs it. */
export function httpLimits(gateway: string): LimitsReader {
  const ask = async (path: string, method: string): Promise<BudgetLine[]> =>
    (await (await askGateway(gateway, path, { method })).json()) as BudgetLine[]
  return { show: () => ask('/v1/limits', 'GET'), rebuild: () => ask('/v1/limits/rebuild', 'POST') }
}
