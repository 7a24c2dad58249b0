import assert from 'node:assert/strict'
import { appendFile, chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readManifest, unpack } from '../../services/code-sandbox/executors/wasm/artefact.ts'
import { sourcesHash } from '../../services/code-sandbox/executors/wasm/build/build.ts'
import { WasmExecutor } from '../../services/code-sandbox/executors/wasm/wasm-executor.ts'

const folder = await mkdtemp(join(tmpdir(), 'flotilla-artefact-'))
after(() => rm(folder, { recursive: true }))

test('the shipped interpreter was built from these sources', async () => {
  assert.equal(
    (await readManifest()).sources,
    sourcesHash(),
    'run services/code-sandbox/executors/wasm/build/build.ts',
  )
})

test('processes that unpack at once agree on one directory', async () => {
  const directories = await Promise.all([unpack(folder), unpack(folder), unpack(folder)])
  assert.equal(new Set(directories).size, 1)
  assert.deepEqual(await readdir(folder), [directories[0]?.slice(folder.length + 1)])
})

test('a directory that was tampered with is replaced', async () => {
  const directory = await unpack(folder)
  const file = join(directory, 'python.js')
  await chmod(file, 0o600)
  await appendFile(file, '\nprocess.exit()')
  assert.equal(await unpack(folder), directory)
  const { files } = await readManifest()
  assert.deepEqual((await readdir(directory)).toSorted(), files.map((entry) => entry.name).toSorted())
  await unpack(folder)
})

test('a cache directory that cannot be written is told with its path', async () => {
  const blocked = join(folder, 'not-a-folder')
  await writeFile(blocked, '')
  const executor = new WasmExecutor({
    memoryMb: 128,
    maxChildren: 1,
    warmChildren: 0,
    cacheDir: join(blocked, 'cache'),
  })
  after(() => executor.close())
  await assert.rejects(executor.check(), { code: 'SANDBOX_UNAVAILABLE', message: /not-a-folder/ })
})
