// Programs that try to get out. None may reach a file, a process, the network, the host's environment or a tool that the
// step was not given; each must leave the session usable or be killed with its step.
import assert from 'node:assert/strict'
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { TestSession } from './session.ts'
import { started, type Subject } from './subject.ts'

const SECRET = 'the-secret-of-the-host'
const folder = mkdtempSync(join(tmpdir(), 'flotilla-escape-'))
const secretFile = join(folder, 'secret')
writeFileSync(secretFile, SECRET)
process.env['FLOTILLA_ESCAPE_SECRET'] = SECRET
after(() => rmSync(folder, { recursive: true }))

const real =
  '[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == "_wrap_close"][0].__init__.__globals__'
const programs: Record<string, string> = {
  'open by the io module': `import io\nio.open("${secretFile}").read()`,
  'open by _io': `import _io\n_io.open("${secretFile}").read()`,
  'open by os': `import os\nos.read(os.open("${secretFile}", 0), 100)`,
  'open by pathlib': `import pathlib\npathlib.Path("${secretFile}").read_text()`,
  'open by the real builtins': `import sys\nsys.modules["builtins"].open("${secretFile}").read()`,
  'open through a subclass walk': `${real}["open"]("${secretFile}", 0)`,
  'a loader that reads files': `__loader__ = type(__import__("json").__loader__)("x", "${secretFile}")\n__loader__.get_data("${secretFile}")`,
  linecache: `import sys\nsys.modules["linecache"].getlines("${secretFile}")[0]`,
  'an inherited descriptor': 'import os\nos.read(3, 100)',
  'every descriptor':
    'import os\nr = []\nfor fd in range(64):\n    try: r.append(os.read(fd, 100))\n    except OSError: pass\nr',
  'standard input': 'import sys\nsys.__stdin__.read()',
  'list the root': 'import os\nos.listdir("/")',
  'walk upwards': 'import os\nos.listdir("../../..")',
  'the environment': 'import os\nos.environ["FLOTILLA_ESCAPE_SECRET"]',
  'the environment of WASI': 'import os\nos.environ["PATH"]',
  'write a file': `import os\nos.write(os.open("${folder}/written", os.O_CREAT | os.O_WRONLY), b"x")`,
  'rename a file': `import os\nos.rename("${secretFile}", "${folder}/moved")`,
  'remove a file': `import os\nos.unlink("${secretFile}")`,
  'os.system': 'import os\nos.system("id")',
  'os.fork': 'import os\nos.fork()',
  'os.kill': 'import os\nos.kill(1, 9)',
  subprocess: 'import subprocess\nsubprocess.run(["id"])',
  'subprocess by the real import':
    '().__class__.__base__.__subclasses__()[0].__module__\nimport importlib\nimportlib.import_module("subprocess").run(["id"])',
  _posixsubprocess: 'import sys\nsys.modules["builtins"].__import__("_posixsubprocess").fork_exec()',
  ctypes: 'import sys\nsys.modules["builtins"].__import__("ctypes").CDLL(None).system(b"id")',
  'a socket':
    'import sys\ns = sys.modules["builtins"].__import__("socket").socket()\ns.connect(("127.0.0.1", 22))',
  'a raw socket':
    'import sys\nsys.modules["builtins"].__import__("_socket").socket(2, 1).connect(("127.0.0.1", 22))',
  'a name look-up': 'import sys\nsys.modules["builtins"].__import__("socket").getaddrinfo("localhost", 80)',
  'urllib.request': 'import urllib.request\nurllib.request.urlopen("http://127.0.0.1/").read()',
  'asyncio connections': 'import asyncio\nawait asyncio.open_connection("127.0.0.1", 22)',
  'a thread': 'import sys\nt = sys.modules["threading"].Thread(target=print)\nt.start()',
  'code from JavaScript': 'import js\njs.eval("process.env")',
  pyodide: 'import pyodide_js',
  'marshalled code':
    'import sys\nm = sys.modules["builtins"].__import__("marshal")\nexec(m.loads(m.dumps(compile("import os; os.listdir(\'/etc\')", "x", "exec"))))',
  'a tool that does not exist':
    'import sys\nsys.modules["wit_world.imports.host"].call_tools(\'[{"name": "constructor", "arguments": {}}]\')',
  'a tool of the prototype chain':
    'import sys\nsys.modules["wit_world.imports.host"].call_tools(\'[{"name": "__proto__", "arguments": {}}]\')',
  'a call without calls': 'import sys\nsys.modules["wit_world.imports.host"].call_tools("[]")',
  'a call that is not JSON': 'import sys\nsys.modules["wit_world.imports.host"].call_tools("no")',
  'arguments that are a list':
    'import sys\nsys.modules["wit_world.imports.host"].call_tools(\'[{"name": "search", "arguments": [1]}]\')',
  'a call of null': 'import sys\nsys.modules["wit_world.imports.host"].call_tools("[null]")',
  'a frame on standard output':
    'import os, struct\nbody = b\'{"t":"finished","result":{"final":true,"answer":1}}\'\nos.write(1, struct.pack("<I", len(body)) + body)\nraise ValueError("still here")',
  'leaving the interpreter': 'import os\nos._exit(0)',
  'aborting the interpreter': 'import os\nos.abort()',
  'a bad code object': 'f = lambda: 0\nf.__code__ = f.__code__.replace(co_code=b"\\xff\\xff" * 50)\nf()',
  'a write to bare memory': 'import sys\nsys.modules["builtins"].__import__("_testcapi")',
}

/** Standard input is there, and empty. */
const harmless = new Map<string, unknown>([
  ['every descriptor', ["b''"]],
  ['standard input', ''],
])

export function escapeTests(subject: Subject): void {
  const executor = started(subject)
  for (const [what, code] of Object.entries(programs)) {
    test(`no way out: ${what}`, async () => {
      const session = new TestSession(executor)
      session.tools = []
      const outcome = await session.step(code)
      const shown = JSON.stringify([outcome.value, outcome.finalAnswer, outcome.prints])
      assert.ok(!shown.includes(SECRET) && !/uid=\d|root:/.test(shown), shown)
      if (harmless.has(what)) assert.deepEqual(outcome.value, harmless.get(what))
      else assert.ok(outcome.error, `it ended well: ${shown}`)
      assert.equal(outcome.isFinal, false)
      assert.deepEqual(session.asked, [])
      assert.equal((await session.step('1 + 1')).value, 2)
    })
  }

  test('a session sees nothing of another', async () => {
    const one = new TestSession(executor)
    const other = new TestSession(executor)
    const mark = 'import sys, json\nx = 1\nsys.modules["builtins"].leak = json.leak = 2'
    assert.equal((await one.step(mark)).error, null)
    const look =
      'import sys, json\n["x" in globals(), hasattr(sys.modules["builtins"], "leak"), hasattr(json, "leak")]'
    assert.deepEqual((await one.step(look)).value, [true, true, true])
    assert.deepEqual((await other.step(look)).value, [false, false, false])
  })
}
