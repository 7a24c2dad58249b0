// Access lists of the broker: who may do what with the fleet's topics, groups and transactional ids.
import type { Environment } from '../../../config/environment.ts'
import { FlotillaError, messageOf } from '../../../errors.ts'
import { asAdmin } from './as-admin.ts'
import { createClient, type AclEntry } from '../connection/client.ts'
import { errorType } from '../errors.ts'

/** One permission. Names have the fleet's prefix already. */
export interface Grant {
  /** As the broker knows it: `User:planner`. */
  readonly principal: string
  readonly resource: keyof typeof resources
  readonly name: string
  /** `prefixed`: every name that begins with `name`. */
  readonly pattern: keyof typeof patterns
  readonly operation: keyof typeof operations
}

// Codes of the protocol; kafkajs does not export its own to ES modules.
const resources = { topic: 2, group: 3, 'transactional id': 5 } as const
const patterns = { literal: 3, prefixed: 4 } as const
const operations = { read: 3, write: 4, delete: 6, describe: 8, 'describe configs': 10 } as const
const ALLOW = 3
const REQUEST_TIMEOUT_MS = 30_000
const LIMIT_MS = 60_000

const entryOf = ({ principal, resource, name, pattern, operation }: Grant): AclEntry => ({
  principal,
  host: '*',
  permissionType: ALLOW,
  operation: operations[operation],
  resourceType: resources[resource],
  resourceName: name,
  resourcePatternType: patterns[pattern],
})

/**
 * Grants all of them; those that exist stay as they are. Needs the right to alter the cluster. Rejects with
 * LOG_UNAVAILABLE, and the reason, if the broker keeps no access lists or refuses.
 */
export async function grantAccess(environment: Environment, grants: readonly Grant[]): Promise<void> {
  const { kafkaBrokers, kafkaClientId, prefix, security } = environment
  const client = createClient({
    brokers: kafkaBrokers,
    clientId: kafkaClientId ?? `${prefix}-access-${process.pid}`,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    ...(security.kafka === undefined ? {} : { security: security.kafka }),
  })
  try {
    await asAdmin(client, LIMIT_MS, (admin) => admin.createAcls({ acl: grants.map(entryOf) }))
  } catch (error) {
    const message = `creating access lists: ${reasons[errorType(error) ?? ''] ?? messageOf(error)}`
    throw new FlotillaError('LOG_UNAVAILABLE', message, { cause: error })
  } finally {
    client.close()
  }
}

const reasons: Readonly<Record<string, string>> = {
  SECURITY_DISABLED: 'the broker keeps none; set authorizer.class.name on it, or leave out --acls',
  CLUSTER_AUTHORIZATION_FAILED:
    'this principal may not; use one with the operation Alter on the cluster, or a super user',
}
