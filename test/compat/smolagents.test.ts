// smolagents' own tests of its Python executor, carried out by the wasm sandbox: stand-in/ takes the place of their module and
// hands each piece of code to bridge.ts. docs/compatibility.md explains every difference.
//
//   FLOTILLA_COMPAT_EXECUTOR=native node --test test/compat/smolagents.test.ts     the same by another executor
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runTool } from '../infra/tool.ts'
import { pythonWith, unpacked } from './sdist.ts'

const TIME_MS = 600_000
const executor = process.env['FLOTILLA_COMPAT_EXECUTOR'] ?? 'wasm'

const suite = await unpacked({
  name: 'smolagents',
  version: '1.26.0',
  sha256: '4ec92313265f9cfbcabfc88e192b4bc4505f8475dc5f33dc872062fc567037bd',
})
const python = await pythonWith(['pytest==9.2.0'])

const folder = mkdtempSync(join(tmpdir(), 'flotilla-smolagents-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Test → what went wrong; empty where nothing did. */
async function outcomes(): Promise<Record<string, string>> {
  const file = 'test_local_python_executor.py'
  cpSync(new URL('./smolagents/stand-in', import.meta.url), folder, { recursive: true })
  cpSync(join(suite, 'tests', file), join(folder, file))
  const found = join(folder, 'outcomes.json')
  const bridge = new URL('./smolagents/bridge.ts', import.meta.url).pathname
  const env = {
    ...process.env,
    FLOTILLA_BRIDGE: JSON.stringify([process.execPath, bridge, executor]),
    FLOTILLA_OUTCOMES: found,
    PYTHONPATH: folder,
  }
  // Bridge and tests are no test files of this run.
  const { NODE_TEST_CONTEXT: _, ...environment } = env as NodeJS.ProcessEnv
  const args = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', file]
  // pytest ends with 1 where tests differ, as many do.
  await runTool(python, args, { cwd: folder, env: environment, timeoutMs: TIME_MS }).catch(
    (error: unknown) => {
      if (!existsSync(found)) throw error
    },
  )
  return JSON.parse(readFileSync(found, 'utf8')) as Record<string, string>
}

/** Reasons of docs/compatibility.md; each test that differs falls under the first that names it. */
const differences: Readonly<Record<string, RegExp>> = {
  "a part of smolagents' own interpreter is tested, not Python":
    /^(TestPrintContainer|test_check_import|test_get_safe_module|test_fix_final)|test_timeout_(decorator|works)|test_(max_operations|operations_count|while)$|recovers_source_code/,
  'packages outside the standard library are not in the sandbox':
    /_with_pandas|\[(arr|ser|df)[[.'\]]|test_(imports|additional_imports|pandas|can_import_scipy|can_import_sklearn)|import pandas/,
  'a name that is not defined is not taken for a similar one': /\[st\[|test_tuple_id$|close_matches/,
  'Python decides what smolagents does in its own way':
    /test_(variable_args|exceptions|non_standard_comparisons)$/,
  'classes, functions and generators do not leave the sandbox':
    /test_evaluate_class_def|test_access_attributes|test_generatorexp|types_as_objects|nonsimple_augassign|custom_class\[True/,
  'the words of an error are our own': /overwrite_tool|adding_int_to_list|highlights_correct_line/,
  'final_answer is the sandbox’s': /final_answer_accepts_kwarg/,
  'a sleep takes no time':
    /test_(evaluate_python_code_with_timeout_raises|custom_timeout_value|local_executor_custom)/,
  'what may be imported is one list for all': /authorized_imports_are_installed|test_can_import_os/,
  'the boundary is the process: Python itself may look at anything in it':
    /test_dangerous_builtins_calls_are_blocked|^TestLocalPythonExecutorSecurity/,
}

test('smolagents’ tests have their result, or differ for a known reason', async (t) => {
  const all = await outcomes()
  const different = Object.entries(all).filter(([, problem]) => problem !== '')
  const counts = new Map<string, number>()
  const unexplained: string[] = []
  for (const [name, problem] of different) {
    const reason = Object.keys(differences).find((each) => differences[each]?.test(name))
    if (reason === undefined) unexplained.push(`${name}: ${problem}`)
    else counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  t.diagnostic(
    JSON.stringify({
      tests: Object.keys(all).length,
      different: different.length,
      ...Object.fromEntries(counts),
    }),
  )
  assert.deepEqual(unexplained, [])
  const right = Object.keys(all).length - different.length
  assert.ok(right >= (executor === 'wasm' ? 261 : 230), `${right} have their result`)
})
