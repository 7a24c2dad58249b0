import { readEnvironment } from '../runtime/config/environment.ts'
import { FlotillaError } from '../runtime/errors.ts'
import { runServices } from '../runtime/host/run.ts'
import { fail, paint, say } from './output.ts'
import { gateway } from '../services/gateway/main.ts'
import { withScriptedModel } from './scripted.ts'
import { chooseServices } from './services.ts'

/** Runs these services until a signal; never returns. */
export async function start(names: string[]): Promise<void> {
  const chosen = chooseServices(names)
  const environment = readEnvironment(process.env)
  if (environment.kafkaBrokers.length === 0 && names.length > 0)
    throw new FlotillaError(
      'CONFIG_INVALID',
      'single services need Kafka: set KAFKA_BROKERS, or start the whole fleet with: flotilla start',
    )
  // From here on runServices decides what a bug does to the fleet.
  process.off('unhandledRejection', fail)
  const scripted = await withScriptedModel(environment)
  const name = names.length === 1 ? (names[0] as string) : 'fleet'
  await runServices(name, chosen, {
    environment: scripted.environment,
    failed: fail,
    started: ({ url }) => {
      const where =
        environment.kafkaBrokers.length > 0
          ? `Kafka at ${environment.kafkaBrokers.join(', ')}`
          : environment.dataDir
      say(`${paint('green', 'ready')} ${chosen.map((service) => service.name).join(', ')} on ${where}`)
      if (url)
        say(`  ${url}  ${chosen.includes(gateway) ? 'POST /v1/tasks · ' : ''}/health · /ready · /metrics`)
      if (scripted.active)
        say(
          paint(
            'yellow',
            '  No model is configured: answers are scripted. Set OPENAI_API_KEY, or OPENAI_BASE_URL for your own server.',
          ),
        )
    },
  })
}
