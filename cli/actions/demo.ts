import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { makeTemporaryDirectory } from '../../runtime/make-directory.ts'
import { SCRIPTED_MODEL } from '../../runtime/models/names.ts'
import { demoTasks } from '../../examples/demo-tasks.ts'
import { startEmbedded } from '../fleet/embedded.ts'
import { leave, leaveOnInterrupt } from '../program/interrupts.ts'
import { paint, say } from '../output/output.ts'
import { LiveView } from '../output/live-view.ts'
import { renderResult } from '../output/render.ts'
import { runToEnd } from '../fleet/here.ts'
import { beside } from '../output/text-width.ts'

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const demoConfig = new URL(`../../examples/flotilla.config.${extension}`, import.meta.url)

const LEFT = 'Left the demo; nothing of it is kept. Again: flotilla demo'

const NEXT_WIDTH = 15
const next = [
  ['In a browser', 'FLOTILLA_MODEL=scripted npx flotilla start, then http://127.0.0.1:8000'],
  [
    'With a model',
    'set OPENAI_API_KEY (or OPENAI_BASE_URL), then: npx flotilla run "What is 2 to the power of 100?"',
  ],
] as const

/** Runs the bundled tasks, then ends the command. */
export async function demo(): Promise<void> {
  const dataDir = makeTemporaryDirectory('flotilla-demo-')
  say(
    `${paint('bold', 'Flotilla demo')}: an embedded fleet, ${demoTasks.length} tasks, real Python, real tools on bundled data.`,
  )
  say(
    paint(
      'yellow',
      'The model is scripted: it plays recorded conversations, and costs nothing. Everything else is real.\n',
    ),
  )
  // However the command ends.
  process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }))
  const off = leaveOnInterrupt({ left: () => LEFT })
  const fleet = await startEmbedded({ dataDir }, { model: SCRIPTED_MODEL, config: fileURLToPath(demoConfig) })
  off()
  let [done, failures] = [0, 0]
  try {
    for (const { title, explains, ...task } of demoTasks) {
      say(paint('bold', `▸ ${title}`))
      say(paint('dim', beside('  ', 2, explains, process.stderr)))
      say(beside('  ', 2, task.text, process.stderr))
      const result = await runToEnd(fleet.client, { ...task, model: SCRIPTED_MODEL }, new LiveView())
      say(`${renderResult(result)}\n`)
      if (result.status === 'cancelled') break
      if (result.status !== 'succeeded') failures++
      done++
    }
  } finally {
    await fleet.stop()
  }
  if (done < demoTasks.length) leave({ left: () => LEFT })
  const verdict =
    failures === 0
      ? paint('green', `${demoTasks.length} of ${demoTasks.length} tasks succeeded.`)
      : paint('red', `${failures} of ${demoTasks.length} tasks did not succeed.`)
  say(verdict)
  for (const [what, how] of next)
    say(beside(`  ${what.padEnd(NEXT_WIDTH)}`, NEXT_WIDTH + 2, how, process.stderr))
  process.exit(failures === 0 ? 0 : 1)
}
