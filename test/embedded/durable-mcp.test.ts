// The example examples/durable-mcp, as a user runs it: killed in the middle of a loop, it goes on.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const LIMIT_MS = 240_000
const program = join(import.meta.dirname, '../../examples/durable-mcp/main.ts')

test('Python over an MCP server, with approvals inside, survives kill -9 and makes each refund once', async () => {
  // Rejects unless it ends with 0.
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: LIMIT_MS })
  assert.match(stdout, /kill -9 \d+, in the middle of the loop\nthe fleet runs/)
  assert.match(stdout, /result: succeeded, \["R-A-1001","R-A-1003","R-A-1004"\]/)
  assert.match(stdout, /server made: A-1001 120, A-1003 45, A-1004 230\n/)
})
