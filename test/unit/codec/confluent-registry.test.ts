import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfluentRegistry } from '../../../runtime/codec/confluent-registry.ts'

test('a registry that is not there is reported by what the network says, not by a status that nobody sent', async () => {
  await assert.rejects(createConfluentRegistry('http://127.0.0.1:1').check(), {
    code: 'REGISTRY_UNAVAILABLE',
    message: 'asking the schema registry at http://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1',
  })
})
