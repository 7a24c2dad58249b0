import type { TaskTree } from '../operator/index.ts'
import { paint } from './output.ts'
import { shorten } from './render.ts'
import { statusColours } from './task-state.ts'
import { money, plural } from './units.ts'

/** The delegated tasks below a task, a line each; none if it delegated none. */
export function treeLines({ tasks: [root, ...below], more }: TaskTree): string[] {
  if (!root || below.length === 0) return []
  const total = `${plural(below.length, 'delegated task')}${more ? ' and more' : ''}: ${money(root.totalCost - root.cost)}; with this one ${money(root.totalCost)}`
  const lines = below.map(({ depth, agent, status, totalCost, taskId, text }) => {
    const colour = statusColours[status]
    const state = status.replace('_', ' ')
    const shown = `${agent ?? '–'} ${colour === null ? state : paint(colour, state)} ${money(totalCost)}`
    return `${'  '.repeat(depth)}└ ${shown}  ${paint('dim', `${taskId} ${shorten(text ?? '')}`)}`
  })
  return [total, ...lines]
}
