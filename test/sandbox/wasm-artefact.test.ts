import assert from 'node:assert/strict'
import { appendFile, chmod, cp, mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readManifest, unpack } from '../../services/code-sandbox/executors/wasm/artefact.ts'
import { rebuild, sourcesHash } from '../../services/code-sandbox/executors/wasm/build/build.ts'
import { differences } from '../../services/code-sandbox/executors/wasm/build/compare.ts'
import { WasmExecutor } from '../../services/code-sandbox/executors/wasm/wasm-executor.ts'
import { installedProgram } from '../infra/tool.ts'

const folder = await mkdtemp(join(tmpdir(), 'flotilla-artefact-'))
after(() => rm(folder, { recursive: true }))

test('the shipped interpreter was built from these sources', async () => {
  assert.equal(
    (await readManifest()).sources,
    sourcesHash(),
    'run services/code-sandbox/executors/wasm/build/build.ts',
  )
})

test('the shipped interpreter, built again, is the same but for the image of its memory', async () => {
  await installedProgram('python3', 'python3')
  const shipped = await unpack(folder)
  const rebuilt = rebuild()
  assert.deepEqual(differences(shipped, rebuilt), [])
  const changed = join(folder, 'changed')
  await cp(rebuilt, changed, { recursive: true })
  await rm(join(changed, 'python.core3.wasm'))
  for (const name of ['python.js', 'python.core9.wasm']) await flipLastByte(join(changed, name))
  assert.deepEqual(differences(shipped, changed).toSorted(), [
    'python.core3.wasm',
    'python.core9.wasm',
    'python.js',
  ])
  await rm(changed, { recursive: true })
  await rm(shipped, { recursive: true })
})

async function flipLastByte(path: string): Promise<void> {
  const { size } = await stat(path)
  const file = await open(path, 'r+')
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  await file.write(Buffer.of(buffer.readUInt8() ^ 1), 0, 1, size - 1)
  await file.close()
}

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
