// docker-compose.yml by the real plugin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compose, goProgram } from '../infra/go-program.ts'
import { runTool } from '../infra/tool.ts'
import { root } from './chart.ts'

const passwords = { POSTGRES_PASSWORD: 'one', REDIS_PASSWORD: 'two', GRAFANA_PASSWORD: 'three' }

async function configured(env: Readonly<Record<string, string>>): Promise<string> {
  const args = ['--file', `${root}/docker-compose.yml`, '--env-file', '/dev/null', 'config']
  return runTool(await goProgram(compose), args, { env: { PATH: process.env['PATH'], ...env } })
}

test('the plugin accepts the file once every password is set', async () => {
  assert.match(await configured(passwords), /^name: flotilla$/m)
})

test('without one of them nothing starts, and the message says which to set', async () => {
  for (const [name] of Object.entries(passwords)) {
    const { [name]: _, ...others } = passwords as Record<string, string>
    await assert.rejects(configured(others), new RegExp(`${name} is missing a value: set ${name} in \\.env`))
  }
})

test('a provider’s key reaches planner alone, its name the others', async () => {
  const { services } = JSON.parse(
    await runTool(
      await goProgram(compose),
      ['--file', `${root}/docker-compose.yml`, '--env-file', '/dev/null', 'config', '--format', 'json'],
      { env: { PATH: process.env['PATH'], ...passwords, GROQ_API_KEY: 'gsk-of-the-test' } },
    ),
  ) as { services: Record<string, { environment?: Record<string, string> }> }
  const holders = Object.entries(services).filter(([, entry]) =>
    JSON.stringify(entry).includes('gsk-of-the-test'),
  )
  assert.deepEqual(
    holders.map(([name]) => name),
    ['planner'],
  )
  assert.equal(
    services['router']?.environment?.['FLOTILLA_KEYS_ELSEWHERE']?.replaceAll(',', ''),
    'GROQ_API_KEY',
  )
})
