// The escapes' detectors detect: in a plain Python every attempt that is not about the bridges of sandboxes gets out, and is seen.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Canaries } from './suite/canaries.ts'
import { corpus } from './suite/corpus.ts'

const script = fileURLToPath(new URL('./suite/unconfined.py', import.meta.url))
const canaries = await Canaries.lay()
after(() => canaries.remove())
const isRoot = process.getuid?.() === 0

/** All that the attempt shows, whatever its end. */
function unconfined(code: string): Promise<string> {
  return new Promise((resolve) => {
    const options = { timeout: 10_000, killSignal: 'SIGKILL', encoding: 'utf8' } as const
    const child = execFile('python3', ['-X', 'utf8', '-B', script], options, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    )
    child.stdin?.on('error', () => {}).end(JSON.stringify({ constants: canaries.constants, code }))
  })
}

/** A touch may be noticed a little later than the attempt ends. */
async function touchedSoon(shown: string): Promise<string[]> {
  for (let waits = 0; ; waits++) {
    const touched = await canaries.touched(shown)
    if (touched.length > 0 || waits > 100) return touched
    await setTimeout(20)
  }
}

const attempts = corpus()

test('the corpus is large, and each attempt has a name of its own', () => {
  assert.ok(attempts.length >= 250, `${attempts.length} attempts`)
  assert.equal(new Set(attempts.map(({ name }) => name)).size, attempts.length)
})

for (const { name, code, needs } of attempts) {
  if (needs === 'sandbox' || (needs === 'root' && !isRoot)) continue
  test(`seen where nothing confines it: ${name}`, async () => {
    const shown = await unconfined(code)
    assert.notDeepEqual(await touchedSoon(shown), [], shown)
  })
}

test('nothing is seen where nothing is done', async () => {
  assert.deepEqual(await canaries.touched(await unconfined('1 + 1')), [])
})
