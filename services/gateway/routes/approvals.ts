// Calls that wait for people, over HTTP.
import type { FastifyInstance } from 'fastify'
import { approvals as routes } from '../../../api/routes.ts'
import type { ApprovalOperator } from '../../../operator/index.ts'
import { isRestricted, principalOf } from '../access/principal.ts'
import { serve } from './serve.ts'

export function approvalRoutes(app: FastifyInstance, approvals: ApprovalOperator): void {
  serve(app, routes.list, (request) => {
    const principal = principalOf(request)
    const own = isRestricted(principal) && principal.userId !== null ? { user: principal.userId } : {}
    return approvals.list({ ...request.query, ...own })
  })
}
