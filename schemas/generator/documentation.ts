// docs/events.md: topics and events for people.
import { shapeOf, type FieldSchema, type RecordSchema } from '../record.ts'
import { topics, type TopicSpec } from '../topics.ts'
import { fileOfName, type Sources } from './sources.ts'
import { typeOf } from './types.ts'

const DAY = 86_400_000

const introduction = `# Topics and events

Generated from \`schemas/*.avsc\` and \`schemas/topics.ts\` by \`npm run generate\`. For programs: \`schemas/asyncapi.yaml\`.

## Reading and writing them

- A value is Avro in Confluent's wire format: byte 0, the schema's id in the registry as four bytes big-endian, the body.
- Every topic name starts with the fleet's prefix: \`flotilla.tasks.submitted\`. The record key is the task id, except on
  \`tasks.submitted\`: **its key is not read. Set \`taskId\` in the value; the result then comes under that key.** Without
  one the task gets an id that its producer can't know.
- Subjects in the registry are record names (\`flotilla.TaskAdmitted\`). \`tasks.submitted\` and \`tasks.completed\`
  carry one record type each, which is also registered as \`<topic>-value\`, the subject that Confluent's serializers
  use.
- \`tasks.submitted\` also takes plain JSON:
  \`echo '{"text":"…"}' | kcat -P -b localhost:9092 -t flotilla.tasks.submitted\`. It is checked against the same
  schema; a number written as a string, or a string written as a number, is converted to the field's type.
- A task id names one task: of several submissions with one id the first record wins, the others do nothing. The metric
  \`flotilla_task_ids_reused_total\` counts those with another text; the HTTP API answers them with 409.
- Read with \`isolation.level=read_committed\`; it is not Java's default.
- A field of type Json holds JSON text. One too large for the log is replaced by
  \`{"$blob": "<sha256>", "bytes": n}\`; the bytes are in the database's table \`blobs\`.
- Times are epoch milliseconds, durations milliseconds, money US dollars.

## Changing them

A released schema changes only as FULL_TRANSITIVE allows: a field may be added or removed only with a default; no field
changes its name or type. \`npm run generate\` writes types, AsyncAPI and this page;
\`npx node schemas/generate.ts --release\` keeps the current version of each changed schema in \`schemas/released/\`,
whose versions and bytes every later version must read. The allowed texts of a string field (\`values\` in its file) are
not an Avro enum, so that one can be added; readers must accept values that they do not know.
`

export function documentationSource({ events, shared }: Sources): string {
  return [
    introduction,
    '## Topics\n',
    '| topic | events | key | kept | written by | |',
    '|---|---|---|---|---|---|',
    ...topics.map(topicRow),
    '\n## Events\n',
    ...events.map(recordSection),
    '## Shared records\n',
    ...shared.map(recordSection),
  ].join('\n')
}

const topicRow = (topic: TopicSpec): string =>
  `| ${topic.name} | ${topic.events.join(', ')} | ${topic.key} | ${retention(topic)} | ${topic.writers.join(', ')} | ${topic.purpose} |`

const retention = (topic: TopicSpec): string =>
  topic.compacted
    ? 'latest'
    : topic.retentionMs >= DAY
      ? `${topic.retentionMs / DAY} d`
      : `${topic.retentionMs / 3_600_000} h`

function recordSection(record: RecordSchema): string {
  return [
    `### ${record.name}\n`,
    `${record.doc} [\`${fileOfName(record.name)}.avsc\`](../schemas/${fileOfName(record.name)}.avsc)\n`,
    '| field | type | |',
    '|---|---|---|',
    ...record.fields.map(fieldRow),
    '',
  ].join('\n')
}

function fieldRow(field: FieldSchema): string {
  const type = typeOf(field).replaceAll(' | ', ' \\| ')
  const optional = shapeOf(field).hasDefault && !type.includes('null') ? ' Optional.' : ''
  return `| ${field.name} | \`${type}\` | ${field.doc}${optional} |`
}
