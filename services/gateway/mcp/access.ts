import type { Scope } from '../../../api/scopes.ts'
import { FlotillaError } from '../../../runtime/errors.ts'
import type { McpFleet } from './fleet.ts'

/** Throws FORBIDDEN unless the client has the scope. */
export function requiredScope(fleet: Pick<McpFleet, 'may'>, scope: Scope): void {
  if (!fleet.may(scope))
    throw new FlotillaError('FORBIDDEN', `this method needs a key with the scope ${scope}`)
}
