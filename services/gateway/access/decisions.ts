// Who decided about a call that waits, as the gateway verified it: the same for every way to decide.
//
// 1. The person is the user of the key or token; what the request claims counts only if the API is open. A key without
//    a user is no person's: a name that it sends along is dropped, since it could send any.
// 2. The key or token is recorded beside the person, with everyone else who may hold it.
import type { FastifyRequest } from 'fastify'
import type { VerifiedDecision } from '../../../client/log/decisions.ts'
import type { ApprovalInput } from '../../../client/types.ts'
import { anybody, principalOf } from './principal.ts'

export function verifiedDecision(request: FastifyRequest, given: ApprovalInput): VerifiedDecision {
  const principal = principalOf(request)
  const scopes = [...principal.scopes]
  if (principal === anybody) return { ...given, scopes }
  const { decidedBy: _, ...rest } = given
  const { userId, credential, madeBy } = principal
  return { ...rest, ...(userId !== null && { decidedBy: userId }), scopes, credential, madeBy }
}
