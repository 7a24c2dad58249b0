import assert from 'node:assert/strict'
import { test } from 'node:test'
import { discoverModels, missingSetting } from '../../../runtime/models/discovery.ts'

test('nothing set: no default, and the message names the variable of each provider', () => {
  const found = discoverModels({})
  assert.equal(found.default, null)
  assert.match(missingSetting('gpt-4o', found.providers, {}) ?? '', /OPENAI_API_KEY/)
  assert.match(missingSetting('groq/llama', found.providers, {}) ?? '', /GROQ_API_KEY/)
  assert.match(missingSetting('local/mistral', found.providers, {}) ?? '', /LOCAL_BASE_URL/)
  assert.match(missingSetting('nobody/x', found.providers, {}) ?? '', /models\.providers\.nobody/)
  assert.match(missingSetting('constructor/x', found.providers, {}) ?? '', /models\.providers\.constructor/)
})

test('a key that no header can carry is refused, and not shown', () => {
  const { providers } = discoverModels({ OPENAI_API_KEY: 'k' })
  const missing = (key: string) => missingSetting('gpt-4o', providers, { OPENAI_API_KEY: key })
  assert.equal(missing(' sk-1\n'), null)
  for (const key of ['sk-1\nsk-2', 'sk-\u043a'])
    assert.match(
      missing(key) ?? '',
      /^Set OPENAI_API_KEY to a key for provider "openai": its value holds a line/,
    )
})

const defaults: [Record<string, string>, string | null][] = [
  [{ OPENAI_API_KEY: 'k' }, 'gpt-4o'],
  [{ OPENAI_API_KEY: '  ' }, null],
  [{ GROQ_API_KEY: 'k' }, 'groq/llama-3.3-70b-versatile'],
  [{ GROQ_API_KEY: 'k', OPENAI_API_KEY: 'k' }, 'gpt-4o'],
  [{ GROQ_API_KEY: 'k', FLOTILLA_MODEL: 'local/m' }, 'local/m'],
  [{ FLOTILLA_KEYS_ELSEWHERE: 'GROQ_API_KEY' }, 'groq/llama-3.3-70b-versatile'],
  [{ ANTHROPIC_API_KEY: 'k' }, 'anthropic/claude-sonnet-4-5'],
  [{ OPENAI_API_KEY: 'k', OPENAI_MODEL: 'gpt-5' }, 'gpt-5'],
  [{ OPENAI_BASE_URL: 'http://127.0.0.1:1234/v1' }, 'openai/default'],
  [{ OPENAI_BASE_URL: 'https://proxy.example/v1' }, null],
  [{ OPENAI_BASE_URL: 'https://proxy.example/v1', OPENAI_API_KEY: 'k' }, 'gpt-4o'],
  [{ LOCAL_BASE_URL: 'http://localhost:8000' }, 'local/default'],
  [{ LOCAL_BASE_URL: 'http://localhost:8000', LOCAL_MODEL: 'Mistral-7B' }, 'local/Mistral-7B'],
  [{ OLLAMA_HOST: '0.0.0.0:11434' }, 'ollama/default'],
  [{ FLOTILLA_MODEL: 'scripted' }, 'scripted/conversations'],
  [{ FLOTILLA_SCRIPTED_URL: 'http://127.0.0.1:7777' }, 'scripted/conversations'],
  [{ FLOTILLA_SCRIPTED_URL: 'http://127.0.0.1:7777', OPENAI_API_KEY: 'k' }, 'gpt-4o'],
]
for (const [variables, expected] of defaults) {
  test(`the default of ${JSON.stringify(variables)} is ${expected}`, () => {
    assert.equal(discoverModels(variables).default, expected)
  })
}

const endpoints: [string, string][] = [
  ['0.0.0.0', 'http://127.0.0.1:11434/v1'],
  ['127.0.0.1:9999', 'http://127.0.0.1:9999/v1'],
  ['http://box:11434', 'http://box:11434/v1'],
  ['::1', 'http://[::1]:11434/v1'],
  ['fe80::a', 'http://[fe80::a]:11434/v1'],
  ['[::]:9999', 'http://[::1]:9999/v1'],
  ['http://box:11434/v1/', 'http://box:11434/v1'],
  ['https://box/openai/v1', 'https://box/openai/v1'],
]
for (const [written, expected] of endpoints) {
  test(`OLLAMA_HOST=${written} means ${expected}`, () => {
    assert.equal(discoverModels({ OLLAMA_HOST: written }).providers['ollama']?.baseUrl, expected)
  })
}

test('a server on this machine needs no key, and gets one where it is set', () => {
  const open = discoverModels({ OPENAI_BASE_URL: 'http://localhost:1/v1' })
  assert.equal(missingSetting('gpt-4o', open.providers, {}), null)
  const locked = discoverModels({ LOCAL_BASE_URL: 'http://localhost:1', LOCAL_API_KEY: 'k' })
  assert.equal(locked.providers['local']?.keyEnv, 'LOCAL_API_KEY')
})

test('the scripted server is a provider once its URL is known', () => {
  const found = discoverModels({ FLOTILLA_SCRIPTED_URL: 'http://127.0.0.1:7777' })
  assert.equal(found.providers['scripted']?.baseUrl, 'http://127.0.0.1:7777/v1')
})
