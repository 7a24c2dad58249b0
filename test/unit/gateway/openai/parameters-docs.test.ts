// docs/openai-compatible.md says of every parameter what the code does with it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { chatParameters, responseParameters, type Parameters } from '../../../../api/openai/parameters.ts'

const text = readFileSync(new URL('../../../../docs/openai-compatible.md', import.meta.url), 'utf8')
const words = { supported: 'used', neutral: 'neutral', hint: 'hint', refused: 'refused' }

function rowsBelow(heading: string): string[][] {
  const section = text.split(`### \`${heading}\``)[1]?.split('\n\n')[1] ?? ''
  return section
    .split('\n')
    .slice(2)
    .map((row) => row.split(' | ').map((cell) => cell.replaceAll(/^\| | \|$/g, '').trim()))
}

const tables: [string, Parameters][] = [
  ['POST /v1/chat/completions', chatParameters],
  ['POST /v1/responses', responseParameters],
]
for (const [route, parameters] of tables)
  test(`the table of ${route} is that of the code`, () => {
    const expected = Object.entries(parameters).map(([name, { is, how }]) => [`\`${name}\``, words[is], how])
    assert.deepEqual(rowsBelow(route), expected)
  })
