// The fleet that an evaluation runs on: the one that is running, else one inside this command.
import { connect } from '../../client/connect.ts'
import { HttpClient } from '../../client/http/client.ts'
import type { Client } from '../../client/types.ts'
import { usingOperator } from '../../operator/connect.ts'
import { httpOperator } from '../../operator/http.ts'
import type { Operator } from '../../operator/index.ts'
import { orGateway } from '../../operator/running-fleet.ts'
import { readEnvironment, type Environment } from '../../runtime/config/environment.ts'
import { taskStages } from '../../services/index.ts'
import { usingGateway } from '../fleet/here.ts'
import { say } from '../output/output.ts'

export interface EvaluationFleet {
  readonly client: Client
  readonly operator: Operator
}

/** `models`: those that a run names; the scripted model is started for it if one is its. */
export async function withEvaluationFleet<T>(
  models: readonly string[],
  work: (fleet: EvaluationFleet) => Promise<T>,
): Promise<T> {
  const environment = readEnvironment(process.env)
  const url = environment.raw['FLOTILLA_URL']
  if (url) return overHttp(url, environment, work)
  if (environment.kafkaBrokers.length > 0) return overServers(work)
  const model = models.find((each) => each.startsWith('scripted/')) ?? models[0] ?? null
  const start = async () => (await import('../fleet/embedded.ts')).startEmbedded({}, { model })
  const fleet = await orGateway(start, environment)
  if (typeof fleet === 'string') {
    say(usingGateway(environment, fleet))
    return overHttp(fleet, environment, work)
  }
  try {
    return await work({ client: fleet.client, operator: await fleet.operator() })
  } finally {
    await fleet.stop()
  }
}

async function overHttp<T>(
  url: string,
  { raw }: Environment,
  work: (fleet: EvaluationFleet) => Promise<T>,
): Promise<T> {
  const apiKey = raw['FLOTILLA_API_KEY']
  const client = new HttpClient(url, { apiKey })
  try {
    return await work({ client, operator: httpOperator(url, { apiKey }) })
  } finally {
    await client.close()
  }
}

async function overServers<T>(work: (fleet: EvaluationFleet) => Promise<T>): Promise<T> {
  const client = await connect()
  try {
    return await usingOperator((operator) => work({ client, operator }), {
      needs: 'database',
      stages: taskStages,
    })
  } finally {
    await client.close()
  }
}
