// State of lanes: on the log, in memory, and when all is over.
import type { BlobStore } from '../../../runtime/store/port.ts'
import type { Simulation } from '../simulate.ts'

export async function checkState(run: Simulation): Promise<string[]> {
  const { world } = run
  const violations = [...world.witness.violations]
  for (const { name } of world.stages)
    for (let lane = 0; lane < world.broker.partitions; lane++) {
      const difference = world.witness.compare(name, lane, world.broker.rows(name, lane))
      if (difference !== null) violations.push(`lane ${lane} of ${name}, on the log: ${difference}`)
    }
  return [...violations, ...(await inMemory(run)), ...openings(run)]
}

/** An absent store costs one a second and lane; a process that can't hold a lane tries for ten minutes. */
const MOST_UNUSED_OPENINGS = 120

/** Opening a lane fences its owner: nobody does that again and again for nothing. */
function openings({ processes }: Simulation): string[] {
  return [...processes.values()].flatMap(({ name, openings: { given, used } }) =>
    given - used > MOST_UNUSED_OPENINGS ? [`${name} opened lanes ${given} times and used ${used}`] : [],
  )
}

/** Every open lane holds what is on the log, no more and no less. */
async function inMemory(run: Simulation): Promise<string[]> {
  const { world } = run
  const violations: string[] = []
  for (const process of run.live())
    for (const { stage, lane, rows } of process.memory()) {
      const committed = new Map<string, string>()
      for (const { key, value } of world.broker.rows(stage, lane))
        // Rows of the lane itself are an index in memory, built by its stage.
        if (value !== null && !key.startsWith('\u0000')) committed.set(key, await content(value, world.blobs))
      const held = new Map(
        [...rows].map(({ key, name, value }) => [`${key}\u0000${name}`, JSON.stringify(value)]),
      )
      for (const key of new Set([...committed.keys(), ...held.keys()]))
        if (committed.get(key) !== held.get(key))
          violations.push(
            `${process.name} holds lane ${lane} of ${stage} with another row ${key.replace('\u0000', ' ')}`,
          )
    }
  return violations
}

async function content(bytes: Uint8Array, blobs: BlobStore): Promise<string> {
  const row = JSON.parse(Buffer.from(bytes).toString()) as { d?: unknown; blob?: string }
  if (row.blob === undefined) return JSON.stringify(row.d)
  const whole = await blobs.get(row.blob)
  return whole === null ? 'missing' : content(whole, blobs)
}

/** Rows of bounded number that stay: windows of rules, budgets near their limits, channels' last times. */
const stays = (stage: string, key: string): boolean =>
  key === '\u0000host\u0000life' ||
  (stage === 'alerting' && /^fleet\u0000((slot|channel):|budgets$)/.test(key))

export function checkAtRest(run: Simulation): string[] {
  const { world } = run
  const violations: string[] = []
  for (const { name } of world.stages)
    for (let lane = 0; lane < world.broker.partitions; lane++)
      for (const { key } of world.broker.rows(name, lane))
        if (!stays(name, key))
          violations.push(`${name} still keeps ${key.replace('\u0000', ' ')} after a week`)
  for (const process of run.live()) {
    const left = process.leftovers()
    if (left > 0) violations.push(`${process.name} holds ${left} slots and calls that ended long ago`)
    for (const { stage, pending, committing, problems: all } of process.status()) {
      // An older release reports this, for as long as it runs beside a newer one.
      const problems = all.filter((text) => !(run.rollout.direction && text.includes('is left to')))
      if (pending + committing > 0 || problems.length > 0)
        violations.push(
          `${process.name} is not at rest: ${stage}, ${pending} pending, ${committing} committing, ${problems.join('; ')}`,
        )
    }
  }
  return violations
}
