// A process of its own for log-crash.test.ts: `commit <dir>` commits without end and prints each acknowledged number;
// `open <dir>` tries to open the directory and prints what came of it.
import { openEmbeddedLog } from '../../runtime/log/embedded/log.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { TestMember, commitOf, outgoing, textOf } from '../conformance/member.ts'

const [mode, dataDir] = process.argv.slice(2)
if (!dataDir) throw new Error('usage: log-process.ts commit|open <dir>')

if (mode === 'open') {
  try {
    await openEmbeddedLog({ dataDir, partitions: 2 }).close()
    console.log(JSON.stringify({ opened: true }))
  } catch (error) {
    if (!(error instanceof FlotillaError)) throw error
    console.log(JSON.stringify({ code: error.code, message: error.message, remedy: error.remedy }))
  }
} else {
  const log = openEmbeddedLog({ dataDir, partitions: 2 })
  await log.ensureTopics(['planner'])
  const member = new TestMember(log, 'planner', ['tasks.submitted'], false)
  const lane = await member.lane(0)
  const [last] = lane.rows
  for (let i = last ? Number(textOf(last)) : 0; ; i++) {
    await lane.commit(
      commitOf({
        records: [outgoing('tasks.admitted', 0, 'key', `${i}`), outgoing('tasks.history', 1, 'key', `${i}`)],
        rows: [{ key: 'count', value: Buffer.from(`${i + 1}`) }],
        positions: [{ topic: 'tasks.submitted', offset: i + 1, metadata: `${i}` }],
      }),
    )
    process.stdout.write(`${i}\n`)
  }
}
