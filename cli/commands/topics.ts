import type { Command } from 'commander'
import { openCodec } from '../../runtime/codec/open.ts'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { openLog } from '../../runtime/log/open.ts'
import { usingOperator } from '../../operator/connect.ts'
import { dropRow } from '../actions/drop-row.ts'
import { sayLeaderless } from '../output/leaderless-notice.ts'
import { paint, printJson, say } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { count } from '../output/units.ts'
import { shown } from '../../schemas/identity.ts'
import { stageNames } from '../../services/index.ts'

export function defineTopics(command: Command): void {
  command
    .description('the fleet’s topics: what they carry and how much they hold')
    .option('--create', 'create the missing topics')
    .option('--schemas', 'register the schemas of every event with the schema registry')
    .option(
      '--acls [principal]',
      'grant each service its rights on the broker (docs/principals.md), by principals of this form; ' +
        '{service} stands for the service',
    )
    .option(
      '--drop-row <row...>',
      'take a row that another program has written out of a stage’s state: stage, lane, and key as /ready shows it',
    )
    .option('--json', 'JSON on stdout')
    .addHelpText(
      'after',
      '\nOn Kafka, records are counted by their offsets, of which the end of each\ntransaction takes one too: a topic with one result may show two.',
    )
    .action(topics)
}

const columns: readonly Column[] = [
  { name: 'topic', keep: true },
  { name: 'partitions', kind: 'figure' },
  { name: 'records', kind: 'figure' },
  { name: 'purpose' },
  { name: 'events', optional: true },
]

interface Options {
  readonly create?: boolean
  readonly schemas?: boolean
  /** True: the usual form. */
  readonly acls?: string | true
  readonly dropRow?: readonly string[]
  readonly json?: boolean
}

async function topics(options: Options): Promise<void> {
  await prepare(options)
  await usingOperator(async (operator) => {
    const rows = await operator.topics.list()
    if (options.json) return printJson(rows)
    printTable(
      columns,
      rows.map(({ name, partitions, records, purpose, events }) => [
        name,
        partitions === 0 ? 'missing' : count(partitions),
        count(records),
        purpose,
        events.join(', '),
      ]),
    )
    if (rows.some(({ partitions }) => partitions === 0))
      say(
        paint('yellow', 'Topics are missing: start the fleet, or create them with flotilla topics --create.'),
      )
    sayLeaderless(
      rows.flatMap(({ name, leaderless = [] }) => leaderless.map((partition) => `${name}[${partition}]`)),
    )
  })
  process.exit(0)
}

/** Creates what a fleet needs on its servers. Whatever exists already stays as it is. */
async function prepare({ create, schemas, acls, dropRow: row }: Options): Promise<void> {
  const environment = readEnvironment(process.env)
  // Mistakes are named before anything is created.
  const form = acls === undefined ? null : principalForm(environment, acls === true ? 'User:{service}' : acls)
  if (schemas && environment.schemaRegistryUrl === null)
    throw new FlotillaError('CONFIG_INVALID', '--schemas: SCHEMA_REGISTRY_URL is not set; set it')
  if (create) await createTopics(environment)
  if (schemas) await registerSchemas(environment)
  if (form !== null) await grantRights(environment, form)
  if (row !== undefined) await dropRow(environment, row)
}

async function createTopics(environment: Environment): Promise<void> {
  const log = await openLog(environment)
  try {
    await log.ensureTopics(stageNames)
  } finally {
    await log.close()
  }
}

async function registerSchemas(environment: Environment): Promise<void> {
  await openCodec(environment).prepare()
  say('The schemas of every event are registered.')
}

/** The form, if it can be one of principals. A broker takes any text, and rights of nobody are refused to everybody. */
function principalForm(environment: Environment, form: string): string {
  if (environment.kafkaBrokers.length === 0)
    throw new FlotillaError(
      'CONFIG_INVALID',
      '--acls: the embedded log has no access lists; set KAFKA_BROKERS',
    )
  const type = /^([A-Za-z]+):\S.*$/.exec(form)?.[1]
  if (type === undefined || !form.includes('{service}'))
    throw new FlotillaError(
      'CONFIG_INVALID',
      `--acls: "${shown(form)}" must be a principal with {service} in it, such as User:{service}`,
    )
  if (type !== 'User' && type.toLowerCase() === 'user')
    throw new FlotillaError(
      'CONFIG_INVALID',
      `--acls: brokers know the type "User", not "${type}": give User${shown(form.slice(type.length))}`,
    )
  return form
}

async function grantRights(environment: Environment, form: string): Promise<void> {
  const { grantsFor, serviceRights } = await import('../principals.ts')
  const { grantAccess } = await import('../../runtime/log/kafka/admin/access.ts')
  const services = await serviceRights()
  const principal = (service: string): string => form.replaceAll('{service}', service)
  const grants = grantsFor(services, environment.prefix, principal)
  await grantAccess(environment, grants)
  say(`${grants.length} rights are granted to ${services.map(({ name }) => principal(name)).join(', ')}.`)
}
