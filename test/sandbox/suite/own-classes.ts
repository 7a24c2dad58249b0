// Code of the program that runs while the outcome of a step is put together: methods and properties of its own
// values, exceptions and metaclasses. Whatever such code does, the step ends as its own, keeps what it did to
// variables, and the next one runs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestSession } from './session.ts'
import { started, type Subject } from './subject.ts'

/** `BODY` is a method's body of one line. */
const places = {
  'the repr of the value': 'class A:\n    def __repr__(self): BODY\nA()',
  'the items of the value': 'class A(list):\n    def __iter__(self): BODY\nA([1])',
  'an entry of the value': 'class A(dict):\n    def __getitem__(self, key): BODY\nA(a=1)',
  'the text of a key of the value':
    'class A:\n    def __hash__(self): return 1\n    def __str__(self): BODY\n{A(): 1}',
  'an attribute of the value': 'class A:\n    def __getattribute__(self, name): BODY\nA()',
  'the class of the value': 'class A:\n    @property\n    def __class__(self): BODY\nA()',
  'the items of the answer': 'class A(list):\n    def __iter__(self): BODY\nfinal_answer(A([1]))',
  'the code of an exit': 'class A:\n    def __bool__(self): BODY\nraise SystemExit(A())',
  'the text of an exception': 'class A(Exception):\n    def __str__(self): BODY\nraise A',
  'the class of an exception': 'class A(Exception):\n    @property\n    def __class__(self): BODY\nraise A',
  'an attribute of an exception': 'class A(Exception):\n    def __getattribute__(self, name): BODY\nraise A',
  'the name of the class of an exception':
    'class M(type):\n    @property\n    def __name__(cls): BODY\nclass A(Exception, metaclass=M): pass\nraise A',
  'the line of a syntax error':
    'class A(SyntaxError):\n    @property\n    def lineno(self): BODY\nraise A("x")',
  'the name of a name error': 'class A(NameError):\n    @property\n    def name(self): BODY\nraise A',
  'the object of an attribute error':
    'class A(AttributeError):\n    @property\n    def obj(self): BODY\nraise A',
} as const

const bodies = {
  'ends the program': 'exit()',
  'raises an Exception': 'raise ValueError("own")',
  'raises a BaseException': 'raise KeyboardInterrupt("own")',
  'recurses without end': 'return (lambda f: f(f))(lambda f: f(f))',
  'returns what it must not': 'return 5',
  'returns text with half of a pair': 'return "\\ud800"',
} as const

const HALF_OF_A_PAIR = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

export function ownClassTests(subject: Subject): void {
  const executor = started(subject)

  for (const [place, program] of Object.entries(places)) {
    test(`${place}, whatever its code does`, async () => {
      const session = new TestSession(executor)
      for (const [what, body] of Object.entries(bodies)) {
        const { error, lost } = await session.step(
          `kept = ${JSON.stringify(what)}\n${program.replaceAll('BODY', body)}`,
        )
        assert.deepEqual(
          [lost, error?.class === 'SystemError'],
          ['nothing', false],
          `${what}: ${error?.message}`,
        )
        const shown = `${error?.class} ${error?.message} ${error?.traceback}`
        assert.doesNotMatch(shown, HALF_OF_A_PAIR, what)
        assert.equal((await session.step('kept')).value, what)
      }
      await executor.discard(session.id)
    })
  }

  test('final_answer counts wherever it is called, and so does reset_session', async () => {
    const session = new TestSession(executor)
    const within = (call: string) => `class A(list):\n    def __iter__(self): ${call}\nA([1])`
    const outcome = await session.step(within('final_answer("from within")'))
    assert.deepEqual([outcome.error, outcome.isFinal, outcome.finalAnswer], [null, true, 'from within'])
    const reset = await session.step(within('reset_session()'))
    assert.deepEqual([reset.error, reset.lost], [null, 'session'])
  })

  test('a subclass of str is printed as the text that it is', async () => {
    const session = new TestSession(executor)
    const sliced =
      'class A(str):\n    def __getitem__(self, at): return [1]\n    def __len__(self): return -5'
    const { error, prints } = await session.step(`${sliced}\nimport sys\nsys.stdout.write(A("text"))`)
    assert.deepEqual([error, prints], [null, 'text'])
  })

  test('a deep final answer that is refused costs the next step nothing', async () => {
    const session = new TestSession(executor)
    await session.step('kept = 1')
    await session.step(
      'def deep(x=0):\n    for _ in range(100_000): x = [x]\n    return x\nfinal_answer(deep())',
    )
    assert.equal((await session.step('kept')).value, 1)
  })
}
