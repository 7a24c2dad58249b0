// The declarations that npm publishes compile strictly in a project that sets nothing but lib es2022.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')
const program = `import { connect, defineFleet, type Client, type TaskResult } from './flotilla/client/index.js'
export async function run(text: string): Promise<TaskResult> {
  const client: Client = await connect()
  const { taskId } = await client.submit({ text })
  for await (const update of client.watch(taskId)) if (update.kind === 'result') return update.result
  return client.result(taskId, { timeoutMs: 120_000 })
}
export default defineFleet({})
`

function tsc(cwd: string, ...args: string[]): string {
  const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...args], {
    cwd,
    encoding: 'utf8',
  })
  return stdout
}

test('strict, lib es2022, no skipLibCheck, no types of its own', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-types-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const out = join(directory, 'flotilla')
  assert.equal(tsc(root, '-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', out), '')
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  writeFileSync(join(directory, 'use.ts'), program)
  const strict = ['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022']
  assert.equal(tsc(directory, ...strict, '--module', 'nodenext', '--types', '', 'use.ts'), '')
})
