import type { FastifyInstance } from 'fastify'
import type { LimitsReader } from '../../../runtime/limits/budget-report.ts'

/** How the day's budgets stand, and setting them from the ledger. */
export function limitsRoutes(app: FastifyInstance, limits: LimitsReader): void {
  app.get('/v1/limits', () => limits.show())
  app.post('/v1/limits/rebuild', () => limits.rebuild())
}
