/// <reference types="node" preserve="true" />
// Tools that come with Flotilla; a configuration uses all of them, or some.
import type { Tool } from '../../../runtime/config/fleet.ts'
import { fetchPage } from './fetch-page.ts'
import { httpJson } from './http-json.ts'
import { queryTable } from './query-table.ts'
import { readJson } from './read-json.ts'

export { askPerson, type AskPersonOptions } from './ask-person.ts'
export { fetchPage } from './fetch-page.ts'
export { httpJson } from './http-json.ts'
export { httpTool, type HttpToolDefinition } from './http-tool.ts'
export { queryTable } from './query-table.ts'
export { readJson } from './read-json.ts'

export const standardTools: readonly Tool[] = [fetchPage(), httpJson(), queryTable(), readJson()]
