// How a process ends that was told to.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'

const run = join(import.meta.dirname, '../../../runtime/host/signals.ts')

/** A process whose stop takes this promise, with a limit of 200 ms: its exit code and what it wrote. */
async function ended(stop: string): Promise<{ code: number | null; said: string }> {
  const script = `
    import { stopOnSignal } from ${JSON.stringify(run)}
    const log = { error: (facts, message) => console.log(message) }
    stopOnSignal({ stop: () => ${stop} }, 200, log).then(() => process.exit(0))
    setInterval(() => {}, 1_000)
    console.log('up')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script])
  let said = ''
  child.stdout.on('data', (text: Buffer) => {
    if (said === '') child.kill('SIGTERM')
    said += text.toString()
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  return { code, said }
}

test('a stop that hangs ends the process after its limit, with an error', async () => {
  const { code, said } = await ended('new Promise(() => {})')
  assert.deepEqual([code, said], [1, 'up\nfailed to stop in time; the process ends now\n'])
})

test('a stop that is over in time, or fails, ends it cleanly', async () => {
  for (const stop of ['Promise.resolve()', 'Promise.reject(new Error("closing"))'])
    assert.deepEqual(await ended(stop), { code: 0, said: 'up\n' })
})
