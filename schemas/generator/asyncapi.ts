// schemas/asyncapi.yaml: the contract for people and programs outside, AsyncAPI 3.
import {
  isJsonText,
  isRecord,
  shapeOf,
  type FieldSchema,
  type RecordSchema,
  type ValueType,
} from '../record.ts'
import { DEFAULT_PARTITIONS, headers, topics, type TopicSpec } from '../topics.ts'
import type { Sources } from './sources.ts'

type Node = { [key: string]: unknown }

const AVRO = 'application/vnd.apache.avro;version=1.9.0'

export function asyncapiDocument(sources: Sources): Node {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Flotilla',
      version: '1.0.0',
      description:
        'Topics and events of a fleet. Generated from schemas/*.avsc and schemas/topics.ts by `npm run generate`.',
    },
    defaultContentType: 'application/vnd.confluent.avro',
    channels: Object.fromEntries(topics.map((topic) => [topic.name, channelOf(topic)])),
    operations: Object.fromEntries(topics.flatMap(operationsOf)),
    components: {
      parameters: { prefix: { default: 'flotilla', description: 'FLOTILLA_PREFIX of the fleet.' } },
      messages: {
        ...Object.fromEntries(sources.events.map((event) => [event.name, messageOf(event)])),
        TaskSubmittedAsJson: jsonMessageOf(sources.events.find((e) => e.name === 'TaskSubmitted')),
      },
      schemas: { Headers: headersSchema() },
    },
  }
}

const messageNames = (topic: TopicSpec): string[] =>
  topic.name === 'tasks.submitted' ? [...topic.events, 'TaskSubmittedAsJson'] : [...topic.events]

function channelOf(topic: TopicSpec): Node {
  const messages = messageNames(topic).map((name) => [name, { $ref: `#/components/messages/${name}` }])
  return {
    address: `{prefix}.${topic.name}`,
    description: topic.purpose,
    parameters: { prefix: { $ref: '#/components/parameters/prefix' } },
    messages: Object.fromEntries(messages),
    bindings: {
      kafka: {
        partitions: topic.partitions === 'shared' ? DEFAULT_PARTITIONS : topic.partitions,
        topicConfiguration: {
          'cleanup.policy': [topic.compacted ? 'compact' : 'delete'],
          'retention.ms': topic.retentionMs,
        },
      },
    },
    'x-key': topic.key,
    'x-writers': [...topic.writers],
  }
}

/** Seen from the fleet: it receives what anyone may write, and sends what its stages write. */
function operationsOf(topic: TopicSpec): [string, Node][] {
  const channel = { $ref: `#/channels/${topic.name.replaceAll('/', '~1')}` }
  const stages = topic.writers.filter((writer) => writer !== 'anyone')
  const receive: [string, Node] = [`receive.${topic.name}`, { action: 'receive', channel }]
  const send: [string, Node] = [`send.${topic.name}`, { action: 'send', channel }]
  return [...(topic.writers.includes('anyone') ? [receive] : []), ...(stages.length > 0 ? [send] : [])]
}

const messageOf = (event: RecordSchema): Node => ({
  name: event.name,
  summary: event.doc,
  headers: { $ref: '#/components/schemas/Headers' },
  payload: { schemaFormat: AVRO, schema: event },
})

const jsonMessageOf = (event: RecordSchema | undefined): Node => ({
  name: 'TaskSubmittedAsJson',
  summary: 'The same as plain JSON; the first byte of a record tells them apart.',
  contentType: 'application/json',
  payload: event ? jsonSchemaOf(event, 'TaskSubmittedAsJson') : {},
})

/**
 * JSON Schema of a record as plain JSON; JSON texts stand as the JSON itself. Titles are the names of the types in a
 * client that is generated.
 */
export function jsonSchemaOf(record: RecordSchema, title: string = record.name): Node {
  const fields = record.fields.map(shapeOf)
  return {
    title,
    type: 'object',
    description: record.doc,
    required: fields.filter((field) => !field.hasDefault).map((field) => field.name),
    additionalProperties: false,
    properties: Object.fromEntries(record.fields.map((field) => [field.name, propertyOf(field, title)])),
  }
}

function propertyOf(field: FieldSchema, owner: string): Node {
  const { value, values, nullable, doc } = shapeOf(field)
  const base = jsonTypeOf(value)
  if (base === null) return { description: doc }
  const title = `${owner}${field.name.charAt(0).toUpperCase()}${field.name.slice(1)}`
  const enumeration = values ? { title, enum: nullable ? [...values, null] : [...values] } : {}
  return { description: doc, type: nullable ? [base, 'null'] : base, ...enumeration }
}

function jsonTypeOf(value: ValueType): string | null {
  if (isJsonText(value)) return null
  if (isRecord(value)) return 'object'
  if (typeof value === 'object') return value.type === 'array' ? 'array' : 'object'
  if (value === 'int' || value === 'long') return 'integer'
  if (value === 'double') return 'number'
  return value === 'boolean' ? 'boolean' : 'string'
}

function headersSchema(): Node {
  const docs: Record<keyof typeof headers, string> = {
    traceparent: 'W3C trace context of the sender.',
    eventId:
      'Stable id of the event, the same on every redelivery. Of what anyone may write, no header but traceparent is read.',
    causationId: 'Id of the event that caused this one.',
    schema: 'Name of the record in the value.',
    requester: 'On replies: the stage that waits for it.',
    stageVersion: 'Version of the stage that wrote it.',
    replayFor: 'On a replayed event of the fleet: the one stage that handles it.',
    replayOf: 'On dead-letters, where a letter marks another one as replayed: its partition:offset.',
    movedId: 'On a record that was moved from a data file: the id of its event there. No stage reads it.',
    movedAtMs: 'With it: the time of the record there, epoch milliseconds. No stage reads it.',
    resumedEpoch:
      'On tasks.history, of what a former owner of the lane had begun: epoch of the owner that finished it. No stage reads it.',
  }
  const entries = Object.entries(docs) as [keyof typeof headers, string][]
  return {
    type: 'object',
    properties: Object.fromEntries(
      entries.map(([name, description]) => [headers[name], { type: 'string', description }]),
    ),
  }
}

/** Block-style YAML of plain data. JSON scalars are YAML scalars. */
export function toYaml(node: unknown, indent = ''): string {
  if (typeof node !== 'object' || node === null) return ` ${JSON.stringify(node)}\n`
  const entries = Array.isArray(node)
    ? node.map((v) => ['-', v])
    : Object.entries(node).map(([k, v]) => [`${keyOf(k)}:`, v])
  if (entries.length === 0) return Array.isArray(node) ? ' []\n' : ' {}\n'
  return `\n${entries.map(([lead, v]) => `${indent}${lead}${toYaml(v, `${indent}  `)}`).join('')}`
}

const keyOf = (key: string): string => (/^[A-Za-z_][\w.-]*$/.test(key) ? key : JSON.stringify(key))
