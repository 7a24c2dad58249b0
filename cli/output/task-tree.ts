import type { TaskTree } from '../../operator/index.ts'
import { paint } from './output.ts'
import { shorten } from './render.ts'
import { terminalWidth } from './table.ts'
import { statusColours } from './task-state.ts'
import { cutTo, widthOf } from './text-width.ts'
import { money, plural } from './units.ts'

/** The delegated tasks below a task, a line each, which a terminal does not break; none if it delegated none. */
export function treeLines({ tasks: [root, ...below], more }: TaskTree, width = terminalWidth()): string[] {
  if (!root || below.length === 0) return []
  const total = `${plural(below.length, 'delegated task')}${more ? ' and more' : ''}: ${money(root.totalCost - root.cost)}; with this one ${money(root.totalCost)}`
  const lines = below.map(({ depth, agent, status, totalCost, taskId, text }) => {
    const colour = statusColours[status]
    const state = status.replace('_', ' ')
    const [start, end] = [`${'  '.repeat(depth)}└ ${agent ?? '–'} `, ` ${money(totalCost)}  `]
    const room = width - widthOf(start + state + end)
    // What was asked gives way to the id, which other commands take.
    const task = cutTo(`${taskId} ${shorten(text ?? '')}`, Math.max(room, widthOf(taskId) + 2))
    return `${start}${colour === null ? state : paint(colour, state)}${end}${paint('dim', task)}`
  })
  return [total, ...lines]
}
