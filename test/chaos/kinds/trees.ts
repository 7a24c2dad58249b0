// Trees of tasks, three levels below the one that its user submits, in both modes. Where a task is in its tree is in its
// mark: the id of the root, then a number for each level (`chaos.tree.7.plain.1.0`).
import type { Exchange } from '../../../runtime/scripted-model/exchange.ts'
import { final, python } from '../../../runtime/scripted-model/script.ts'
import type { Turn } from '../../../runtime/scripted-model/conversations.ts'

/**
 * plain: lead asks two branches, each a twig, each a leaf, which charges. python: one of the branches is a program. tight:
 * its ceiling is too low for all of it. cancelled: by its user, somewhere on the way.
 */
export const treePlans = ['plain', 'python', 'tight', 'cancelled'] as const
type TreePlan = (typeof treePlans)[number]

/** US dollars for a million tokens, read or written. */
export const TREE_PRICE = 10
const AMPLE = 5
/** A whole tree costs some 0.05, and its first calls must be able to cost four times as much. */
const TIGHT = { least: 0.02, most: 0.1 }
/** Segments of the mark of a root. */
const OF_ROOT = 4

export const isTree = (mark: string): boolean => mark.split('.')[1] === 'tree'
export const isRoot = (mark: string): boolean => mark.split('.').length === OF_ROOT
const planOf = (mark: string): TreePlan => mark.split('.')[3] as TreePlan

/** Of the whole tree: what its root is submitted with. */
export const ceilingOf = (plan: TreePlan, random: () => number): number =>
  plan === 'tight' ? TIGHT.least + random() * (TIGHT.most - TIGHT.least) : AMPLE

/** Whether a task of a tree may end so. */
export function fitsTree(mark: string, status: string, output: unknown): boolean {
  const isWhole = status === 'succeeded' && output === `done ${mark}`
  const plan = planOf(mark)
  if (plan === 'tight') return isWhole || status === 'failed' || output === `incomplete ${mark}`
  return isWhole || (plan === 'cancelled' && (status === 'cancelled' || status === 'timed_out'))
}

export function treeScript(exchange: Exchange, mark: string): Turn {
  const asks = childrenOf(mark).map((child, index) => ({
    name: agentOf(mark, index),
    arguments: { task: `be part of task=${child} latency=150` },
  }))
  const isLeaf = asks.length === 0
  if (exchange.turn > 0) {
    const hasAll = childrenOf(mark).every((child) => exchange.observations.includes(`done ${child}`))
    return final(exchange, `${hasAll ? 'done' : 'incomplete'} ${mark}`)
  }
  if (isLeaf) return { toolCalls: [{ name: 'charge', arguments: { task: mark, turn: 1 } }] }
  return exchange.mode === 'code' ? { text: python(asks.map(inPython).join('\n')) } : { toolCalls: asks }
}

function childrenOf(mark: string): string[] {
  const depth = mark.split('.').length - OF_ROOT
  if (depth === 0) return [`${mark}.0`, `${mark}.1`]
  return depth < 3 ? [`${mark}.0`] : []
}

function agentOf(mark: string, index: number): string {
  const depth = mark.split('.').length - OF_ROOT
  if (depth > 0) return depth === 1 ? 'ask_twig' : 'ask_leaf'
  return planOf(mark) === 'python' && index === 0 ? 'ask_scribe' : 'ask_branch'
}

const inPython = ({ name, arguments: { task } }: { name: string; arguments: { task: string } }): string =>
  [
    'try:',
    `    print(${name}(${JSON.stringify(task)}))`,
    'except ToolError as error:',
    '    print(error)',
  ].join('\n')
