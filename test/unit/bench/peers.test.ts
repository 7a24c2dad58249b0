// Figures of other frameworks, as the scripts of a folder print them.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { checkPeers, measurePeer } from '../../../bench/peers.ts'

const script = `case $1 in
list) echo one two;;
one) echo starting; echo '{"peer":"one","version":"1.2","tasks":300,"c1_p50_ms":3.8,"c1_p99_ms":12,"tput_tasks_s":924,"rss_mb":283,"cpu_ms_per_task":{"driver":0.4,"workers":0.7,"infra":0.2}}';;
two) echo '{"peer":"two","error":"no result (see logs/two.err)"}';;
esac`

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-peers-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'run.sh'), script)
  return directory
}

test('a folder that is not set up, or has no such peer, says what to do', async (t) => {
  const directory = folder(t)
  await assert.rejects(checkPeers(directory, ['one']), /not installed: run .*setup\.sh/)
  mkdirSync(join(directory, 'js/node_modules'), { recursive: true })
  await checkPeers(directory, ['one', 'two'])
  await assert.rejects(checkPeers(directory, ['one', 'three']), /no peer named three; there are: one, two/)
  await assert.rejects(checkPeers(join(directory, 'js'), ['one']), /has no run\.sh/)
})

test('its last line is the figures; processor time is that of all processes', async (t) => {
  const directory = folder(t)
  const { cpuMs, ...figures } = await measurePeer(directory, 'one')
  assert.equal(cpuMs.toFixed(2), '1.30')
  assert.deepEqual(figures, {
    name: 'one 1.2',
    tasks: 300,
    p50Ms: 3.8,
    p99Ms: 12,
    perSecond: 924,
    rssMb: 283,
  })
  await assert.rejects(measurePeer(directory, 'two'), /two: no result/)
})
