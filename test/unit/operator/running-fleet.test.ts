// A data directory that another process holds: its gateway is used, and waited for while the holder starts or ends.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { orGateway } from '../../../operator/running-fleet.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { FlotillaError, hasCode } from '../../../runtime/errors.ts'

const locked = () => Promise.reject(new FlotillaError('DATA_LOCKED', 'it is in use by process 1'))
const isLocked = (error: unknown): boolean => hasCode(error, 'DATA_LOCKED')

function startHolder(t: TestContext, owner?: object) {
  const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-held-'))
  t.after(() => rmSync(dataDir, { recursive: true, force: true }))
  const note = (said: object) => writeFileSync(join(dataDir, 'owner.json'), JSON.stringify(said))
  if (owner !== undefined) note(owner)
  return { environment: readEnvironment({ FLOTILLA_DATA: dataDir }), note }
}

/** `listen` opens it again at the same address. */
async function startGateway(t: TestContext) {
  const server = createServer((_, response) => response.end('{}'))
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  await listen(0)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, server, listen: () => listen(port) }
}

test('the gateway of the holder, at once', async (t) => {
  const { url } = await startGateway(t)
  const { environment } = startHolder(t, { startedMs: 1, gateway: url })
  assert.equal(await orGateway(locked, environment), url)
})

test('a holder that has no gateway yet is waited for', async (t) => {
  const { url } = await startGateway(t)
  const { environment, note } = startHolder(t)
  let tries = 0
  const open = () => {
    if (++tries === 1) note({ startedMs: Date.now() })
    if (tries === 3) note({ startedMs: Date.now(), gateway: url })
    return locked()
  }
  assert.deepEqual([await orGateway(open, environment), tries], [url, 3])
})

test('a gateway of before, at which nothing listens, is waited for', async (t) => {
  const { url, server, listen } = await startGateway(t)
  await new Promise((closed) => server.close(closed))
  const { environment } = startHolder(t, { startedMs: 1, gateway: url })
  let tries = 0
  const open = async () => {
    if (++tries === 3) await listen()
    return locked()
  }
  assert.deepEqual([await orGateway(open, environment), tries], [url, 3])
})

test('a directory that becomes free is opened', async (t) => {
  const { environment } = startHolder(t, { startedMs: Date.now() })
  let tries = 0
  assert.equal(await orGateway(() => (++tries < 3 ? locked() : Promise.resolve(7)), environment), 7)
})

test('a holder of long ago without a gateway, and any other error, are not waited for', async (t) => {
  const { environment } = startHolder(t, { startedMs: Date.now() - 60_000 })
  let tries = 0
  const open = () => (tries++, locked())
  await assert.rejects(orGateway(open, environment), isLocked)
  await assert.rejects(
    orGateway(() => Promise.reject(new Error('damaged')), environment),
    /damaged/,
  )
  assert.equal(tries, 1)
})
