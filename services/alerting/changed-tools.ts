// Pinned tools that MCP servers changed (McpToolChanged).
//
// 1. A report holds for the rule's window after the last refused call of its tool.
// 2. Another tool is news: the alert is raised again at once.
import { searchFor } from '../../runtime/foreign-schema/patterns.ts'
import type { NamedRule } from '../../runtime/config/alert-rules.ts'
import type { McpToolChanged } from '../../schemas/generated/events.ts'
import { listSubjects, type Reading } from './windows.ts'

type ChangedTool = Pick<McpToolChanged, 'how' | 'atMs'> & { name: string }
export type ToolChangeRows = { changedTools: ChangedTool[] }
type State = Readonly<Partial<ToolChangeRows>>

/** Tools kept: the latest ones. */
const MAX_TOOLS = 100

export const isOfTools = ({ measure }: NamedRule): boolean => measure === 'mcp_tools_changed'

/** Adds this report to the row. */
export function withChange({ changedTools = [] }: State, report: McpToolChanged): ToolChangeRows {
  const { server, tool, how, atMs } = report
  const name = `${server}.${tool}`
  const before = changedTools.find((each) => each.name === name)
  const latest = before && before.atMs > atMs ? before : { name, how, atMs }
  const others = changedTools.filter((each) => each.name !== name)
  return { changedTools: [latest, ...others].toSorted((a, b) => b.atMs - a.atMs).slice(0, MAX_TOOLS) }
}

const current = ({ pattern, windowMs }: NamedRule, { changedTools = [] }: State, nowMs: number) => {
  const named = pattern === null ? null : searchFor(pattern, 'i')
  return changedTools.filter(({ name, atMs }) => atMs + windowMs > nowMs && named?.(name) !== null)
}

export function toolsReading(rule: NamedRule, rows: State, nowMs: number): Reading {
  const subjects = current(rule, rows, nowMs).map(({ name, how }) => ({ name, text: how }))
  return { value: subjects.length, tasks: rule.minTasks, subjects }
}

/** When the first of the reports ends; Infinity if there is none. */
export const nextToolsMs = (rule: NamedRule, rows: State, nowMs: number): number =>
  Math.min(...current(rule, rows, nowMs).map(({ atMs }) => atMs + rule.windowMs))

/** Names the tools, for people. */
export function describeTools({ value, subjects = [] }: Reading): string {
  const what = `${value === 0 ? 'no' : value} pinned ${value === 1 ? 'tool' : 'tools'} of MCP servers changed`
  return `${what}${listSubjects(subjects, '; ')}`
}
