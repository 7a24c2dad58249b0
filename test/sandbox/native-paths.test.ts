// Native Python shows nothing of where it and this program are installed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findPython } from '../../services/code-sandbox/executors/native/python.ts'
import { createNative } from './native.ts'
import { TestSession } from './suite/session.ts'

/** Texts of every module, function, class and loader that begin with one of PLACES. */
const LOOK = `
import sys
gc = sys.modules['gc']
def paths(value):
    return [value] if type(value) is str and value.startswith(PLACES) else []
def texts(value):
    if type(value) is type(paths): return paths(value.__code__.co_filename)
    if type(value) is dict: return [t for v in value.values() for t in paths(v)]
    if type(value) is list: return [t for v in value for t in paths(v)]
    return []
own = {id(globals())}
found = set()
for value in gc.get_objects():
    for one in (value, *gc.get_referents(value)):
        if id(one) not in own: found.update(texts(one))
for module in list(sys.modules.values()):
    for one in (getattr(module, '__spec__', None), getattr(module, '__loader__', None)):
        for name in ('origin', 'cached', 'path'): found.update(paths(getattr(one, name, None)))
sorted(found)`

for (const namespaces of [true, false])
  test(`no path of this machine is seen, namespaces: ${namespaces}`, async () => {
    const python = await findPython('python3')
    const sources = fileURLToPath(new URL('../../services', import.meta.url))
    const places = [...python.library, python.executable, sources].filter(
      (path) => !/^\/usr(?:\/|$)/.test(path),
    )
    assert.ok(places.includes(sources))
    await using executor = disposable(createNative({ namespaces }))
    const session = new TestSession(executor)
    // Written backwards: the step's own text is not to be found.
    const backwards = places.map((path) => [...path].toReversed().join(''))
    const given = `PLACES = tuple(place[::-1] for place in ${JSON.stringify(backwards)})`
    const seen = await session.step(`${given}\n${LOOK}`)
    assert.deepEqual([seen.error, seen.value], [null, []])
    const named = await session.step(
      'import json, sys\n[json.__file__, json.__spec__.origin, sys.argv, sys.executable]',
    )
    assert.deepEqual(named.value, ['/python/json/__init__.py', '/python/json/__init__.py', [], ''])
    const { error } = await session.step('json.loads("x")')
    assert.match(error?.traceback ?? '', /File "\/python\/json\/decoder\.py"/)
  })

const disposable = <T extends { close(): Promise<void> }>(executor: T) =>
  Object.assign(executor, { [Symbol.asyncDispose]: () => executor.close() })
