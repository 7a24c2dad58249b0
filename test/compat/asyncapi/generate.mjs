// Reads an AsyncAPI document with its official parser and writes a client's types by Modelina. Prints what the parser finds.
//
//   node generate.mjs DOCUMENT TYPES.ts
import { readFileSync, writeFileSync } from 'node:fs'
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser'
import { TypeScriptGenerator, TS_COMMON_PRESET } from '@asyncapi/modelina'
import { Parser } from '@asyncapi/parser'

const [documentPath, typesPath] = process.argv.slice(2)
const parser = new Parser()
parser.registerSchemaParser(AvroSchemaParser())
const { document, diagnostics } = await parser.parse(readFileSync(documentPath, 'utf8'))
const problems = diagnostics
  .filter(({ severity }) => severity <= 1)
  .map(({ message, path }) => `${path.join('.')}: ${message}`)
const messages =
  document
    ?.allMessages()
    .all()
    .map((message) => message.name()) ?? []
if (document) {
  const preset = { preset: TS_COMMON_PRESET, options: { marshalling: true } }
  const generator = new TypeScriptGenerator({ modelType: 'class', presets: [preset] })
  const models = await generator.generate(document)
  // A mapping may reach the same record by two ways.
  const byName = new Map(models.map((model) => [model.modelName, model.result]))
  writeFileSync(typesPath, [...byName.values()].map((text) => `export ${text}`).join('\n\n'))
}
console.log(JSON.stringify({ problems, messages }))
