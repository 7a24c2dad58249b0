// The table of docs/model-servers.md, from the dialects' data.
import { dialects, type Dialect } from './dialects.ts'

const header = [
  'server',
  'stream',
  'tool calls',
  'ends',
  'usage',
  'reasoning',
  'breaks off',
  'refuses to read again',
  'wants',
]

export function dialectsTable(): string {
  const rows = [header, header.map(() => '---'), ...dialects.map(rowOf)]
  return rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function rowOf(dialect: Dialect): string[] {
  const { who, calls, finish = {}, usage, reasoning, breaks, refuses, wants = {} } = dialect
  const words = Object.values(finish).map((word) => `\`${word}\``)
  const broken = 'finish' in breaks ? `finish reason \`${breaks.finish}\`` : 'an error object'
  return [
    who,
    framing(dialect).join(', ') || 'as OpenAI',
    calls,
    [...words, ...(dialect.last ? [dialect.last] : [])].join(', ') || 'as OpenAI',
    usage,
    reasoning ?? '–',
    broken,
    refuses.join(', ') || '–',
    Object.keys(wants).join(', ') || '–',
  ]
}

function framing({ eol, byteOrderMark, keepAlive, multiLine, encoding, answersWhole }: Dialect): string[] {
  return [
    answersWhole ? 'whole answers only' : '',
    keepAlive ? 'keep-alives' : '',
    eol ? 'lines end with CR LF' : '',
    byteOrderMark ? 'byte order mark' : '',
    multiLine ? 'data on several lines' : '',
    encoding ? `${encoding}` : '',
  ].filter((part) => part !== '')
}
