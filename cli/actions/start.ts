import { flushCompileCache } from 'node:module'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import { runServices } from '../../runtime/host/run.ts'
import { agentsWithoutModel, fleetWithoutModel } from '../../runtime/models/missing.ts'
import { syncedLines, syncServers } from './mcp-sync.ts'
import { fail, paint, say } from '../output/output.ts'
import { consoleFiles } from '../../services/gateway/console/files.ts'
import { loadServices } from '../../services/index.ts'
import { loadWithScriptedModel, type LoadedFleet } from '../scripted.ts'

/** Once the first tasks are on their way: writing compiled code takes a tenth of a second. */
const KEEP_COMPILED_MS = 2_000
/** The console of a clone is compared with its sources, which nobody waits for at a start. */
const CONSOLE_MS = 1_000

/** Runs these services until a signal; never returns. */
export async function start(names: string[]): Promise<void> {
  const chosen = await loadServices(names.length > 0 ? names : undefined)
  const environment = readEnvironment(process.env)
  if (environment.kafkaBrokers.length === 0 && names.length > 0)
    throw new FlotillaError(
      'CONFIG_INVALID',
      'single services need Kafka: set KAFKA_BROKERS, or start the whole fleet with: flotilla start',
    )
  // From here on runServices decides what a bug does to the fleet.
  process.off('unhandledRejection', fail)
  if (environment.kafkaBrokers.length === 0) await pinInDevelopment(environment)
  const loaded = await loadWithScriptedModel(environment)
  const name = names.length === 1 ? (names[0] as string) : 'fleet'
  await runServices(name, chosen, {
    environment: loaded.environment,
    fleet: loaded.fleet,
    failed: fail,
    started: ({ url }) => {
      const where =
        environment.kafkaBrokers.length > 0
          ? `Kafka at ${environment.kafkaBrokers.join(', ')}`
          : environment.dataDir
      say(`${paint('green', 'ready')} ${chosen.map((service) => service.name).join(', ')} on ${where}`)
      if (url)
        say(
          `  ${url}  ${chosen.some(({ routes }) => routes) ? 'console · POST /v1/tasks · /v1/chat/completions · /docs · ' : ''}/health · /ready · /metrics`,
        )
      for (const line of modelLines(loaded)) say(paint('yellow', `  ${line}`))
      if (chosen.some(({ routes }) => routes))
        setTimeout(() => void readyConsole(environment), CONSOLE_MS).unref()
      // Node keeps it when a process ends by itself, and one that is killed would start slowly again.
      setTimeout(() => flushCompileCache(), KEEP_COMPILED_MS).unref()
    },
  })
}

/** On Kafka, or with NODE_ENV=production, a fleet starts from what is pinned, and asks no server. */
async function pinInDevelopment(environment: Environment): Promise<void> {
  if (environment.raw['NODE_ENV'] === 'production') return
  const synced = await syncServers(environment, { write: true })
  if (synced === null) return
  for (const line of syncedLines(synced)) say(line)
  if (synced.written)
    say(
      paint(
        'yellow',
        `  The tools of MCP servers have changed, and were pinned in ${synced.file}: review it, and commit it.`,
      ),
    )
}

/** A clone has no built console: it is made while the fleet runs, and kept. Without the packages for it the rest works. */
async function readyConsole(environment: Environment): Promise<void> {
  await consoleFiles(environment, (line) => say(paint('dim', line))).catch((error: unknown) =>
    say(paint('yellow', `  There is no console: ${messageOf(error)}`)),
  )
}

/** What tasks have to expect: scripted answers, or rejection. */
function modelLines({ fleet, isScripted }: LoadedFleet): string[] {
  if (isScripted) return ['Answers are scripted: recorded conversations, no language model is asked.']
  const none = fleetWithoutModel(fleet)
  if (none !== null) return [`Tasks are rejected: ${none}`]
  return agentsWithoutModel(fleet).map(({ agent, reason }) => `Tasks of ${agent} are rejected: ${reason}`)
}
