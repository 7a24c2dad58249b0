import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { completeFleet } from '../../../runtime/config/load.ts'

const fleetOf = (sandbox: object | undefined, raw: Record<string, string> = {}) =>
  completeFleet(sandbox ? { sandbox } : {}, readEnvironment(raw), 'test')

test('wasm alone where nothing is configured', () => {
  assert.deepEqual(fleetOf(undefined).executors, ['default', 'wasm'])
})

test('executors are configured by the file, by FLOTILLA_EXECUTORS and by their own variables', () => {
  assert.deepEqual(fleetOf({ native: {} }).executors, ['default', 'wasm', 'native'])
  assert.deepEqual(fleetOf(undefined, { FLOTILLA_EXECUTORS: 'docker, native' }).executors.slice(2), [
    'native',
    'docker',
  ])
  assert.deepEqual(fleetOf(undefined, { E2B_API_KEY: 'e2b_0' }).executors.slice(2), ['e2b'])
})

test('the http executor needs a URL, from either side', () => {
  const url = 'https://sandbox.example'
  assert.deepEqual(fleetOf({ http: { url } }).sandbox, { http: { url } })
  assert.deepEqual(fleetOf({ http: {} }, { FLOTILLA_SANDBOX_URL: url }).sandbox, { http: { url } })
  assert.deepEqual(fleetOf(undefined, { FLOTILLA_SANDBOX_URL: url }).executors.slice(2), ['http'])
  assert.throws(() => fleetOf(undefined, { FLOTILLA_EXECUTORS: 'http' }), /set FLOTILLA_SANDBOX_URL/)
  assert.throws(() => fleetOf({ http: { url: 'ftp://x' } }), /sandbox\.http\.url.*https:/)
  assert.throws(
    () => fleetOf(undefined, { FLOTILLA_SANDBOX_URL: 'sandbox:8080' }),
    /FLOTILLA_SANDBOX_URL.*https:/,
  )
})

test('variables win over the file, setting by setting', () => {
  const { sandbox } = fleetOf(
    { native: { python: '/a/python', packages: ['numpy'] }, docker: { image: 'own', packages: ['numpy'] } },
    { FLOTILLA_PYTHON: '/b/python', FLOTILLA_DOCKER_PACKAGES: 'pandas,scipy' },
  )
  assert.deepEqual(sandbox, {
    native: { python: '/b/python', packages: ['numpy'] },
    docker: { image: 'own', packages: ['pandas', 'scipy'] },
  })
})

test('a mistake is reported with what there is', () => {
  assert.throws(
    () => fleetOf({ native: { packages: ['numpy; rm'] }, dokcer: {} }),
    /sandbox\.native\.packages\.0.*sandbox\.dokcer/s,
  )
  assert.throws(
    () => fleetOf(undefined, { FLOTILLA_EXECUTORS: 'dokcer' }),
    /no executor dokcer; there are: default, wasm, native, docker, e2b, http/,
  )
  assert.throws(
    () => fleetOf(undefined, { FLOTILLA_PYTHON_PACKAGES: 'numpy, scikit-learn' }),
    /FLOTILLA_PYTHON_PACKAGES: must be the name that Python imports/,
  )
})
