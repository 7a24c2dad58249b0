import { startTestFleet } from '../support/fleet.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
const script: Script = ({ task, observations, turn }) => {
  if (turn >= 1) return { text: '```python\nfinal_answer("OBS: " + ' + JSON.stringify(observations.slice(-600)) + ')\n```' }
  const i = task.lastIndexOf('run ')
  const later = observations.lastIndexOf('run ')
  const code = later >= 0 ? observations.slice(later + 4) : task.slice(i + 4)
  return { text: '```python\n' + code + '\n```' }
}
const fleet = await startTestFleet({
  model: { script },
  definition: { agents: { default: { mode: 'code' as const } }, sessions: { keepVariables: true } as never, limits: { input: { forbiddenPatterns: [] } } as never },
})
const sandboxed = process.argv[2]
async function run(session: string, code: string) {
  const { taskId } = await fleet.client.submit({ text: 'run ' + code, sessionId: session, userId: 'ann', maxSteps: 3, timeoutMs: 60000 })
  const r = await fleet.client.result(taskId, { timeoutMs: 90000 })
  const s = r.steps.map((x) => [x.observation?.slice(0, 260), x.error?.code])
  console.log(session, '|', code.replaceAll('\n', ' ; ').slice(0, 90), '=>', r.status, JSON.stringify(r.output)?.slice(0, 200), r.error?.code ?? '', JSON.stringify(s))
  return r
}
const poison: Record<string, string> = {
  generator: 'g = (i for i in range(3))\nnext(g)\nx = 1',
  lambda: 'f = lambda: 41\nx = 2',
  reduce: 'class E:\n  def __reduce__(self):\n    raise RuntimeError("no")\n  def __del__(self):\n    raise ValueError("del")\ne = E()\nx = 3',
  final: 'final_answer = 5\nx = 4',
  print: 'print = None\nx = 5',
  reset: 'reset_session = None\nx = 6',
  builtins: 'import builtins\nbuiltins.print = None\nbuiltins.len = lambda a: 7\nx = 7',
  clear: 'x = 8\nglobals().clear()',
  recursion: 'import sys\nsys.setrecursionlimit(40)\nx = 9',
  tool: 'echo = 3\nx = 10',
  addr: 'x = 11\nprint(object())\nprint({1,"a","b"})',
  time: 'import time, random\nx = [time.time(), random.random()]\nprint(x)',
  raise: 'x = 12\nraise ValueError("boom")',
  spin: 'x = 13\nwhile True: pass',
  exit: 'x = 14\nraise SystemExit(3)',
  baseexc: 'x = 15\nraise BaseException("b")',
  modules: 'import sys, json\nsys.modules["json"] = None\nsys.modules["traceback"] = None\nx = 16',
  bigout: 'x = "a" * 50_000_000\nx = len(x)',
  meta: 'class M(type):\n  def __repr__(c): raise RuntimeError("r")\nclass C(metaclass=M): pass\nx = 17\nC',
  stdout: 'import sys\nsys.stdout = None\nx = 18',
  settrace: 'import sys\nsys.settrace(lambda *a: 1/0)\nx = 19',
  gc: 'import gc\ngc.disable()\nx=20',
  hook: 'import builtins\nbuiltins.__import__ = None\nx=21',
  surrogate: 'x = "\\ud800"\nprint(x)',
  nul: 'x = "\\x00"\nprint(x)',
  deep: 'x = []\nfor _ in range(100000): x = [x]',
}
for (const [name, code] of Object.entries(poison)) {
  if (sandboxed && !sandboxed.split(',').includes(name)) continue
  await run(name, code)
  await run(name, 'final_answer(repr(x)[:80] if "x" in globals() else "gone")')
  await run(name, 'reset_session()\ny = 1')
  await run(name, 'final_answer(("x" in globals(), "y" in globals()))')
}
await fleet.stop()
process.exit(0)
