import assert from 'node:assert/strict'
import { stripVTControlCharacters } from 'node:util'
import { test } from 'node:test'
import { treeLines } from '../../../cli/output/task-tree.ts'
import type { TaskTree } from '../../../operator/index.ts'

const task = (taskId: string, depth: number) => ({
  ...{ taskId, depth, agent: 'researcher', status: 'succeeded', cost: 0.01, totalCost: 0.01 },
  text: 'Look at the orders of the north, and say which of them are late and why',
})
const tree = {
  tasks: [task('root', 0), task('01a22af8-e69c-79b8-8bae-8b47f5dea506', 1), task('short', 2)],
  more: false,
} as unknown as TaskTree

test('on a terminal a delegated task is one line: what was asked gives way, its id never', () => {
  const [, ...lines] = treeLines(tree, 80).map((line) => stripVTControlCharacters(line))
  for (const line of lines) assert.ok(line.length <= 80, line)
  assert.match(lines[0] ?? '', /01a22af8-e69c-79b8-8bae-8b47f5dea506/)
  assert.match(
    lines[1] ?? '',
    /^ {4}└ researcher succeeded \$0\.0100 {2}short Look at the orders of the north, and …$/,
  )
  const [, first] = treeLines(tree, 40).map((line) => stripVTControlCharacters(line))
  assert.match(first ?? '', /01a22af8-e69c-79b8-8bae-8b47f5dea506 …$/)
})

test('in a pipe it is whole', () => {
  for (const line of treeLines(tree, Infinity).slice(1)) assert.match(line, /late and why/)
})
