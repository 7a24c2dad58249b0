// Takes a row out of the state of a stage that stands still: one that another program has written, and that keeps its lane
// closed (docs/operating.md, Upgrading and rolling back).
import type { Environment } from '../../runtime/config/environment.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { openLog } from '../../runtime/log/open.ts'
import type { LogTopic } from '../../runtime/log/port.ts'
import { stageNames } from '../../services/index.ts'
import { say } from '../output/output.ts'

interface Row {
  readonly stage: string
  readonly lane: number
  readonly key: string
}

export async function dropRow(environment: Environment, given: readonly string[]): Promise<void> {
  const { stage, lane, key } = rowOf(given, environment.partitions)
  if (environment.kafkaBrokers.length === 0)
    throw new FlotillaError(
      'CONFIG_INVALID',
      '--drop-row: no other program writes the embedded log; set KAFKA_BROKERS',
    )
  const log = await openLog(environment)
  try {
    const { owners } = await log.members(stage)
    if (owners.length > 0) {
      const processes = [...new Set(owners.map(({ owner }) => owner))].join(', ')
      throw new FlotillaError('REQUEST_INVALID', `--drop-row: ${stage} runs (${processes}); stop it first`)
    }
    const topic = `${stage}.state` as LogTopic
    await log.publish([{ topic, partition: lane, key, value: null, headers: {} }])
  } finally {
    await log.close()
  }
  say(`The row is taken out of ${stage}.state[${lane}].`)
}

function rowOf([stage = '', lane = '', key = '', ...others]: readonly string[], lanes: number): Row {
  const refuse = (why: string): never => {
    throw new FlotillaError('REQUEST_INVALID', `--drop-row: ${why}; give stage, lane and key of the row`)
  }
  if (!stageNames.includes(stage)) refuse(`there is no stage "${stage}"`)
  if (!/^\d+$/.test(lane) || Number(lane) >= lanes) refuse(`${stage} has no lane "${lane}"`)
  if (key === '' || others.length > 0) refuse('it takes three values')
  return { stage, lane: Number(lane), key: keyIn(key) ?? refuse(`"${key}" is no key as /ready shows it`) }
}

/** With or without the quotes around it. */
function keyIn(shown: string): string | null {
  try {
    return JSON.parse(`"${shown.replace(/^"(.*)"$/s, '$1')}"`) as string
  } catch {
    return null
  }
}
