// npx node bench/capacity.ts: records and bytes of a task on the log, by topic: those of any task, and those of each
// step with a tool call. The figures of cli/actions/capacity-model.ts come from it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { startTestFleet } from '../test/support/fleet.ts'

export interface Written {
  readonly records: number
  readonly bytes: number
}
/** By topic. */
export type Footprint = Readonly<Record<string, Written>>

const TASKS = 40

/** What a task of so many steps writes, on average. A step but the last is a model call and a tool call. */
export async function footprintOf(steps: number): Promise<Footprint> {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-capacity-'))
  try {
    const fleet = await startTestFleet({
      dataDir,
      model: {
        script: ({ turn }) =>
          turn < steps - 1
            ? { toolCalls: [{ name: 'echo', arguments: { text: 'hi' } }] }
            : { text: 'The answer is in one sentence.' },
      },
    })
    const before = sizesIn(dataDir)
    const ids = await Promise.all(
      Array.from(
        { length: TASKS },
        async (_, n) => (await fleet.client.submit({ text: `Say ${n}.` })).taskId,
      ),
    )
    for (const id of ids) await fleet.client.result(id)
    await fleet.stop()
    return averages(before, sizesIn(dataDir))
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

function averages(before: Footprint, after: Footprint): Footprint {
  return Object.fromEntries(
    Object.entries(after).flatMap(([topic, { records, bytes }]) => {
      const earlier = before[topic] ?? { records: 0, bytes: 0 }
      const mine = { records: (records - earlier.records) / TASKS, bytes: (bytes - earlier.bytes) / TASKS }
      return mine.records === 0 ? [] : [[topic, mine] as const]
    }),
  )
}

/** Values, keys and headers of every record; of state topics every row that was written is counted by `rows`. */
function sizesIn(dataDir: string): Footprint {
  const db = new DatabaseSync(join(dataDir, 'flotilla.db'), { readOnly: true })
  const rows = db
    .prepare(
      `SELECT topic, count(*) AS records,
         sum(length(coalesce(value, '')) + length(coalesce(key, '')) + length(headers)) AS bytes
       FROM records JOIN slots ON slots.id = slot GROUP BY topic`,
    )
    .all() as { topic: string; records: number; bytes: number }[]
  db.close()
  return Object.fromEntries(rows.map(({ topic, records, bytes }) => [topic, { records, bytes }]))
}

if (import.meta.main) {
  const [one, five] = [await footprintOf(1), await footprintOf(5)]
  const of = (print: Footprint, topic: string): Written => print[topic] ?? { records: 0, bytes: 0 }
  const table = [...new Set([...Object.keys(one), ...Object.keys(five)])].sort().map((topic) => ({
    topic,
    'records of any task': of(one, topic).records,
    'bytes of any task': Math.round(of(one, topic).bytes),
    'records a step': (of(five, topic).records - of(one, topic).records) / 4,
    'bytes a step': Math.round((of(five, topic).bytes - of(one, topic).bytes) / 4),
  }))
  console.table(table)
}
