// The rights of each service on the broker, derived from the topics and the stages. docs/principals.md shows them,
// `flotilla topics --acls` grants them, the chart of deploy/helm opens its network policies by them.
import { readEnvironment } from '../runtime/config/environment.ts'
import { completeFleet } from '../runtime/config/load.ts'
import type { Grant } from '../runtime/log/kafka/admin/access.ts'
import { MOVE } from '../runtime/log/kafka/admin/move-progress.ts'
import { topics, type TopicName } from '../schemas/topics.ts'
import { loadServices } from '../services/index.ts'

export interface ServiceRights {
  readonly name: string
  /** Topics of its stage or routes. */
  readonly consumes: readonly TopicName[]
  readonly produces: readonly TopicName[]
  /** True: it has a group, transactional ids and a state topic. False: it reads and publishes as clients do. */
  readonly isStage: boolean
}

/** Every process follows the pauses. */
const PAUSES: TopicName = 'ops.control'
/** Read by the gateway when it answers operators. */
const forOperators: readonly TopicName[] = ['tasks.submitted', 'ops.health', 'alerts.control', 'dead-letters']

/** The gateway is a client of the fleet with an HTTP server: it has no stage to read its topics from. */
const clients: Readonly<Record<string, Pick<ServiceRights, 'consumes' | 'produces'>>> = {
  gateway: {
    consumes: [
      'tasks.completed',
      'tasks.history',
      'tasks.streaming',
      'alerts.raised',
      'alerts.notifications',
    ],
    produces: ['tasks.submitted', 'tasks.control', 'alerts.control', 'ops.control'],
  },
}

export async function serviceRights(): Promise<ServiceRights[]> {
  const fleet = completeFleet({}, readEnvironment({}), 'the default fleet')
  return (await loadServices()).map(({ name, stage }) => {
    const client = clients[name]
    const written = topics.filter(({ writers }) => writers.includes(name)).map((topic) => topic.name)
    return {
      name,
      consumes: stage?.(fleet).consumes.map(({ topic }) => topic) ?? client?.consumes ?? [],
      produces: client?.produces ?? written,
      isStage: stage !== undefined,
    }
  })
}

/** Everything that the service reads: what it consumes, and the pauses. */
export const readBy = ({ consumes }: ServiceRights): TopicName[] => [...new Set([...consumes, PAUSES])]

/** Access lists for these services, names under the prefix. `principal` gives a service's principal on the broker. */
export function grantsFor(
  services: readonly ServiceRights[],
  prefix: string,
  principal: (service: string) => string,
): Grant[] {
  return services.flatMap((service) => {
    const own = service.isStage ? stageGrants(service.name, prefix) : clientGrants(prefix)
    const reads = [...readBy(service), ...(service.isStage ? [] : forOperators)]
    const named = [
      // Each start looks at every topic of the fleet: those that it may not even see would count as missing.
      ...grants('topic', `${prefix}.`, ['describe', 'describe configs'], 'prefixed'),
      ...[...new Set(reads)].flatMap((topic) => grants('topic', `${prefix}.${topic}`, ['read'])),
      ...service.produces.flatMap((topic) => grants('topic', `${prefix}.${topic}`, ['write'])),
      // Each start looks for an unfinished move.
      ...(service.isStage ? grants('group', `${prefix}.${MOVE}`, ['describe']) : []),
      ...own,
    ]
    return named.map((grant) => ({ ...grant, principal: principal(service.name) }))
  })
}

type Right = Omit<Grant, 'principal'>

const grants = (
  resource: Right['resource'],
  name: string,
  operations: readonly Right['operation'][],
  pattern: Right['pattern'] = 'literal',
): Right[] => operations.map((operation) => ({ resource, name, pattern, operation }))

const stageGrants = (name: string, prefix: string): Right[] => [
  ...grants('topic', `${prefix}.${name}.state`, ['read', 'write']),
  ...grants('group', `${prefix}.${name}`, ['read']),
  ...grants('transactional id', `${prefix}.${name}.`, ['write', 'describe'], 'prefixed'),
]

/** Its readers' groups; and the stages' groups, whose members and positions it shows. */
const clientGrants = (prefix: string): Right[] => [
  ...grants('group', `${prefix}.readers.`, ['read', 'delete'], 'prefixed'),
  ...grants('group', `${prefix}.`, ['describe'], 'prefixed'),
]
