// Doctor's findings: within their time, without secrets, with what to do; one run for all that ask.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Check } from '../../../../operator/doctor/checks.ts'
import { Doctor } from '../../../../operator/doctor/doctor.ts'
import { examine } from '../../../../operator/doctor/examine.ts'
import { FlotillaError } from '../../../../runtime/errors.ts'
import { ok, warn } from '../../../../runtime/finding.ts'
import { keepSecrets } from '../../../../runtime/text/redaction.ts'

const failing = (error: unknown): Check => ({ name: 'log', run: () => Promise.reject(error as Error) })

test('a finding has the code and the remedy of its error, and no secret', async () => {
  keepSecrets(['hunter2-hunter2'])
  const error = new FlotillaError('STORE_UNAVAILABLE', 'redis://:hunter2-hunter2@host refused')
  const finding = await examine(failing(error))
  const { remedy } = error
  assert.deepEqual(finding, {
    ...{ check: 'log', result: 'failed', code: 'STORE_UNAVAILABLE' },
    ...{ reason: 'redis://:***@host refused', remedy },
  })
  const plain = await examine(failing(new Error('password hunter2-hunter2 is wrong')))
  assert.deepEqual([plain.code, plain.reason, plain.remedy], [null, 'password *** is wrong', null])
  const weak = await examine({ name: 'x', run: () => warn('as hunter2-hunter2', 'unset hunter2-hunter2') })
  assert.deepEqual([weak.result, weak.reason, weak.remedy], ['warn', 'as ***', 'unset ***'])
  const thrown = await examine({
    name: 'x',
    run: () => {
      throw new Error('at once')
    },
  })
  assert.equal(thrown.reason, 'at once')
})

test('a check that does not answer is given up, and its signal is aborted', async () => {
  let isAborted = false
  const silent: Check = {
    name: 'model API',
    run: (signal) => {
      signal.addEventListener('abort', () => (isAborted = true))
      return new Promise(() => {})
    },
  }
  const { result, reason, remedy } = await examine(silent, 20)
  assert.deepEqual([result, reason], ['failed', 'no answer within 0.02 s'])
  assert.match(remedy ?? '', /check again/)
  assert.equal(isAborted, true)
})

test('who asks while a run is under way, or just after, gets that run', async () => {
  let [runs, nowMs] = [0, 1_000]
  const { promise, resolve } = Promise.withResolvers<void>()
  const doctor = new Doctor(
    () => [
      {
        name: 'x',
        run: async () => {
          runs++
          await promise
          return ok('works')
        },
      },
    ],
    () => nowMs,
  )
  const both = [doctor.report(), doctor.report()]
  resolve()
  const [first, second] = await Promise.all(both)
  assert.equal(first, second)
  nowMs += 9_000
  assert.equal(await doctor.report(), first)
  assert.equal(runs, 1)
  nowMs += 2_000
  assert.notEqual(await doctor.report(), first)
  assert.equal(runs, 2)
})
